using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Optim;

public sealed class OptimizerTests
{
    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1, poison: true);

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void AdamW_follows_its_equations_over_steps_with_and_without_a_gradient()
    {
        var a = Parameter([1, -2, 3]);
        using var optimizer = new AdamW([("a", a)], weightDecay: 0.1f);
        double[] p = [1, -2, 3], m = new double[3], v = new double[3];
        for (int step = 1; step <= 3; step++)
        {
            GiveGradient(a, [0.5f * step, 1, -1]);
            optimizer.Step(0.01);
            optimizer.FreeGradients();
            optimizer.Step(0.01);
            for (int i = 0; i < 3; i++)
            {
                double g = i == 0 ? 0.5 * step : i == 1 ? 1 : -1;
                p[i] -= 0.01 * 0.1 * p[i];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                p[i] -= 0.01 * (m[i] / (1 - Math.Pow(0.9, step))) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, step))) + 1e-8);
            }
        }
        Assert.That(a.Value.ToArray<float>(), Is.EqualTo(p).Within(1e-6));
        Assert.That(optimizer.States[0].Steps, Is.EqualTo(3), "steps without a gradient do not count");
    }

    [TestCase(0f, false)]
    [TestCase(0.9f, false)]
    [TestCase(0.9f, true)]
    public void Sgd_follows_its_equations(float momentum, bool nesterov)
    {
        var a = Parameter([1, -2]);
        using var optimizer = new Sgd([("a", a)], new SgdOptions(momentum, nesterov, WeightDecay: 0.1f));
        double[] p = [1, -2], buffer = new double[2];
        for (int step = 1; step <= 3; step++)
        {
            GiveGradient(a, [step, -1]);
            optimizer.Step(0.1, 0.5f);
            optimizer.FreeGradients();
            for (int i = 0; i < 2; i++)
            {
                double g = 0.5 * (i == 0 ? step : -1) + 0.1 * p[i];
                buffer[i] = step == 1 ? g : momentum * buffer[i] + g;
                p[i] -= 0.1 * (nesterov ? g + momentum * buffer[i] : buffer[i]);
            }
        }
        Assert.That(a.Value.ToArray<float>(), Is.EqualTo(p).Within(1e-6));
        Assert.That(optimizer.States[0].Moments, Has.Count.EqualTo(momentum > 0 ? 1 : 0));
    }

    [Test]
    public void Restored_state_goes_on_bit_for_bit()
    {
        var (a, b) = (Parameter([1, 2, 3]), Parameter([1, 2, 3]));
        using var first = new AdamW([("p", a)]);
        using var second = new AdamW([("p", b)]);
        GiveGradient(a, [1, 2, -3]);
        first.Step(0.1);
        b.Value.Backend.Copy(a.Value, b.Value);
        var from = first.States[0];
        second.States[0].Restore(from.Steps, name =>
        {
            var moment = from.Moments.Single(m => m.Name == name).Value;
            byte[] bytes = new byte[moment.ByteCount];
            _backend.Download(moment, bytes);
            return (offset, length) => bytes.AsSpan((int)offset, length);
        });
        GiveGradient(b, [1, 2, -3]);
        first.Step(0.1);
        second.Step(0.1);
        Assert.That(b.Value.ToArray<float>(), Is.EqualTo(a.Value.ToArray<float>()));
    }

    [Test]
    public void State_is_taken_at_once_counted_as_optimizer_memory_and_given_back()
    {
        var a = Parameter(new float[1000]);
        long before = _backend.Memory.CurrentBytes;
        using (new AdamW([("a", a)]))
        {
            Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.EqualTo(2 * Arena.Round(4000)));
        }
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
    }

    [Test]
    public void What_cannot_work_is_refused_with_a_sentence()
    {
        Assert.That(() => new AdamW([]), Throws.TypeOf<BadInputException>().With.Message.Contains("no parameter to train"));
        Assert.That(() => new Sgd([("a", Parameter([1]))], new SgdOptions(Nesterov: true)), Throws.TypeOf<BadInputException>());
        var a = Parameter([1]);
        Assert.That(() => new AdamW([("a", a), ("a", a)]), Throws.ArgumentException);
    }

    [Test]
    public void The_norm_is_that_of_all_gradients_as_one_vector_and_clipping_brings_it_to_the_limit()
    {
        var (a, b, c) = (Parameter([0, 0]), Parameter([0]), Parameter([0]));
        GiveGradient(a, [3, 0]);
        GiveGradient(b, [4]);
        (string, Parameter)[] all = [("a", a), ("b", b), ("c", c)];
        double norm = GradientNorm.Of(all);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(norm, Is.EqualTo(5).Within(1e-12));
            Assert.That(GradientNorm.ClipScale(norm, 1), Is.EqualTo(0.2f).Within(1e-6));
            Assert.That(GradientNorm.ClipScale(norm, 10), Is.EqualTo(1));
            Assert.That(GradientNorm.ClipScale(norm, 0), Is.EqualTo(1));
            Assert.That(GradientNorm.FirstNotFinite(all), Is.Null);
        }
        b.Value.FreeGradient();
        GiveGradient(b, [float.NaN]);
        Assert.That(GradientNorm.FirstNotFinite(all), Is.EqualTo("b"));
    }

    [TestCase("llama", "layers.0.self_attn.q_proj.lora_A.weight,model.embed_tokens.weight,lm_head.weight")]
    [TestCase("gpt2", "transformer.wte.weight,transformer.h.0.attn.c_attn.weight")]
    public void Biases_and_norms_do_not_decay_where_the_Trainer_would_spare_them(string family, string decaying)
    {
        using var scope = new TensorScope();
        var model = ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), _backend);
        var decays = WeightDecayFilter.LikeTrainer(model);
        var other = Parameter([1]);
        using (Assert.EnterMultipleScope())
        {
            foreach (string name in decaying.Split(','))
            {
                Assert.That(decays(name, other), name);
            }
            foreach (var (path, parameter) in model.NamedParameters())
            {
                bool norm = path.Contains("norm") || path.Contains("ln_");
                Assert.That(decays(path, parameter), Is.EqualTo(!norm && !path.EndsWith("bias")), path);
            }
            Assert.That(decays("model.norm.weight", other), Is.False);
            Assert.That(decays("self_attn.q_norm.weight", other), Is.False);
        }
        model.Dispose();
    }

    private Parameter Parameter(float[] values)
    {
        var parameter = new Parameter([values.Length]);
        parameter.Set(_backend.From(values, [values.Length], MemoryKind.Trainable));
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
