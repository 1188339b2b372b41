using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Ops;
using PeftCore.Tensors;
using Numbers = PeftCore.Tests.Kernels.Numbers;

namespace PeftCore.Tests.Optim;

/// <summary>The states of 8-bit AdamW, Lion and Adafactor: names, bytes, what is saved, permuted and refused.</summary>
public sealed class SmallStateOptimizerTests
{
    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1, poison: true);

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void A_large_parameter_has_the_state_of_bitsandbytes_and_a_small_one_32_bits()
    {
        using var optimizer = new AdamW8Bit([("large", Parameter([64, 65])), ("small", Parameter([4095])), ("other", Parameter([4096]))]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Described(optimizer.States[0]), Is.EqualTo(["state1 U8(64, 65)", "state2 U8(64, 65)",
                "absmax1 F32(17)", "absmax2 F32(17)", "qmap1 F32(256)", "qmap2 F32(256)"]));
            Assert.That(Described(optimizer.States[1]), Is.EqualTo(["state1 F32(4095)", "state2 F32(4095)"]));
            Assert.That(Described(optimizer.States[2]), Has.Member("absmax2 F32(16)"));
            Assert.That(optimizer.States[2].Tables[0].Value, Is.SameAs(optimizer.States[0].Tables[0].Value), "one table for all");
        }
    }

    [Test]
    public void The_bytes_of_a_state_are_those_of_its_numbers_and_are_given_back()
    {
        const int Count = 1 << 20;
        long Bytes(Func<Optimizer> create)
        {
            long before = _backend.Memory.CurrentBytes;
            long taken;
            using (create())
            {
                taken = _backend.Memory.Current(MemoryKind.Optimizer);
            }
            Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
            return taken;
        }
        (string, Parameter)[] all = [("matrix", Parameter([1024, 1024]))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Bytes(() => new AdamW(all)), Is.EqualTo(8 * Count));
            Assert.That(Bytes(() => new AdamW8Bit(all)), Is.EqualTo(2 * Count + 2 * (Count / 256 * 4) + 2 * 1024));
            Assert.That(Bytes(() => new Lion(all)), Is.EqualTo(4 * Count));
            Assert.That(Bytes(() => new Adafactor(all)), Is.EqualTo(4 * 1024 * 2));
        }
    }

    [Test]
    public void An_8_bit_step_goes_with_the_sign_of_the_gradient_and_the_weights_decay_after_it()
    {
        var (large, small) = (Parameter([5000], 1), Parameter([8], 1));
        using var optimizer = new AdamW8Bit([("large", large), ("small", small)], weightDecay: 0.1f);
        GiveGradient(large, [.. Enumerable.Range(0, 5000).Select(i => i % 2 == 0 ? 0.5f : -0.5f)]);
        GiveGradient(small, [.. Enumerable.Range(0, 8).Select(i => i % 2 == 0 ? 0.5f : -0.5f)]);
        optimizer.Step(0.01);
        float[] expected = [0.99f * (1 - 0.001f), 1.01f * (1 - 0.001f)];
        Assert.That(large.Value.ToArray<float>()[^2..], Is.EqualTo(expected).Within(1e-6));
        Assert.That(small.Value.ToArray<float>()[^2..], Is.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void Many_8_bit_steps_end_near_those_of_32_bits()
    {
        var (a, b) = (Parameter([8192]), Parameter([8192]));
        using var whole = new AdamW([("p", a)]);
        using var coded = new AdamW8Bit([("p", b)]);
        for (int step = 1; step <= 100; step++)
        {
            float[] gradient = Numbers.Random(step, 8192);
            for (int i = 0; i < gradient.Length; i++)
            {
                gradient[i] = (0.3f * gradient[i]) + MathF.Sin(i); // A mean that most elements follow.
            }
            GiveGradient(a, gradient);
            GiveGradient(b, gradient);
            whole.Step(0.01);
            coded.Step(0.01);
        }
        float[] x = a.Value.ToArray<float>(), y = b.Value.ToArray<float>();
        double distance = Math.Sqrt(x.Zip(y, (s, t) => Math.Pow(s - t, 2)).Average()), length = Math.Sqrt(x.Average(s => s * s));
        Assert.That(distance / length, Is.LessThan(0.02));
    }

    [TestCase("adamw_8bit")]
    [TestCase("lion")]
    [TestCase("adafactor")]
    public void Restored_state_goes_on_bit_for_bit(string kind)
    {
        var (a, b) = (Parameter([64, 65]), Parameter([64, 65]));
        using var first = New(kind, [("p", a)]);
        using var second = New(kind, [("p", b)]);
        Step(first, a, 1);
        Step(first, a, 2);
        b.Value.Backend.Copy(a.Value, b.Value);
        var from = first.States[0];
        second.States[0].Restore(from.Steps, name =>
        {
            byte[] bytes = from.Moments.Single(m => m.Name == name).Value.ToBytes();
            return (offset, length) => bytes.AsSpan((int)offset, length);
        });
        Step(first, a, 3);
        Step(second, b, 3);
        Assert.That(b.Value.ToArray<float>(), Is.EqualTo(a.Value.ToArray<float>()));
    }

    [TestCase("adamw_8bit", 300)]
    [TestCase("adamw_8bit", 5000)]
    [TestCase("lion", 300)]
    [TestCase("adafactor", 300)]
    public void A_permuted_state_belongs_to_the_permuted_elements(string kind, int count)
    {
        var parameter = Parameter([count]);
        using var optimizer = New(kind, [("p", parameter)]);
        Step(optimizer, parameter, 1);
        var before = Moments(optimizer.States[0]);
        int[] order = [.. Enumerable.Range(0, count).Select(i => i == 7 ? -1 : count - 1 - i)];
        optimizer.PermuteState(parameter, order);
        var after = Moments(optimizer.States[0]);
        foreach (var (name, moved) in after)
        {
            double largest = before[name].Max(Math.Abs);
            double slack = optimizer.States[0].Tables.Count == 0 ? 0 : 0.015 * largest; // Encoded anew in another block.
            float[] expected = [.. order.Select(i => i < 0 ? 0 : before[name][i])];
            Assert.That(moved, Is.EqualTo(expected).Within(slack), name);
        }
    }

    [Test]
    public void What_cannot_work_is_refused_with_a_sentence()
    {
        var matrix = Parameter([8, 8]);
        using var adafactor = new Adafactor([("p", matrix)]);
        using (Assert.EnterMultipleScope())
        {
            Refused(() => adafactor.PermuteState(matrix, new int[64]), "Adafactor keeps no number for each element of \"p\"");
            Refused(() => new AdamW([("p", matrix)], beta1: 1), "adam_beta1 is 1, expected a number in [0, 1)");
            Refused(() => new AdamW8Bit([("p", matrix)], beta2: -0.1f), "adam_beta2 is -0.1, expected a number in [0, 1)");
            Refused(() => new Lion([("p", matrix)], beta2: float.NaN), "adam_beta2 is NaN, expected a number in [0, 1)");
            Refused(() => new AdamW([("p", matrix)], epsilon: 0), "adam_epsilon is 0, expected a number above 0");
            Refused(() => new Adafactor([("p", matrix)], weightDecay: -1), "weight_decay is -1, expected a number of at least 0");
        }
        Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.EqualTo(2 * Arena.Round(32)), "nothing but the first one's state");

        static void Refused(Action create, string sentence) =>
            Assert.That(() => create(), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    private static Optimizer New(string kind, IReadOnlyList<(string, Parameter)> parameters) => kind switch
    {
        "adamw_8bit" => new AdamW8Bit(parameters),
        "lion" => new Lion(parameters),
        _ => new Adafactor(parameters),
    };

    private void Step(Optimizer optimizer, Parameter parameter, int seed)
    {
        GiveGradient(parameter, Numbers.Random(seed, (int)parameter.Shape.Count));
        optimizer.Step(0.01);
        optimizer.FreeGradients();
    }

    private static Dictionary<string, float[]> Moments(ParameterState state)
    {
        if (state.Tables.Count == 0)
        {
            return state.Moments.ToDictionary(moment => moment.Name, moment => moment.Value.ToArray<float>());
        }
        float[] Decoded(int moment, DynamicMap map) =>
            BlockwiseCodes.Decode(state.Moments[moment].Value.ToBytes(), state.Moments[moment + 2].Value.ToArray<float>(), map);
        return new() { ["state1"] = Decoded(0, DynamicMap.Signed), ["state2"] = Decoded(1, DynamicMap.Unsigned) };
    }

    private static IEnumerable<string> Described(ParameterState state) =>
        state.Moments.Select(moment => (moment.Name, moment.Value)).Concat(state.Tables).Select(one => $"{one.Name} {one.Value.DType}{one.Value.Shape}");

    private Parameter Parameter(Shape shape, float? value = null)
    {
        var parameter = new Parameter(shape);
        float[] values = value is { } all ? [.. Enumerable.Repeat(all, (int)shape.Count)] : Numbers.Random(9, (int)shape.Count);
        parameter.Set(_backend.From(values, shape, MemoryKind.Trainable));
        parameter.RequiresGrad = true;
        return parameter;
    }

    private void GiveGradient(Parameter parameter, float[] gradient)
    {
        parameter.Value.FreeGradient();
        using var scope = new TensorScope();
        using var tape = new Tape();
        tape.Backward(parameter.Value * 1, _backend.From(gradient, parameter.Shape));
    }
}
