using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Optim;
using PeftCore.Tensors;
using Numbers = PeftCore.Tests.Kernels.Numbers;

namespace PeftCore.Tests.Optim;

/// <summary>Optimizers whose moments are in host memory: bits, bytes, what is saved, permuted and given back.</summary>
public sealed class PagedOptimizerTests
{
    private const long SmallGroup = 40_000;
    private static readonly Shape[] Shapes = [[64, 65], [3], [100, 50], [4096], [7, 9], [33, 130]];

    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1, poison: true) { CopiesAsCard = true };

    [TearDown]
    public void Close() => _backend.Dispose();

    [TestCase("adamw", SmallGroup)]
    [TestCase("adamw", 1)]
    [TestCase("adamw", long.MaxValue)]
    [TestCase("adamw_8bit", SmallGroup)]
    [TestCase("lion", SmallGroup)]
    public void Steps_give_the_bits_of_the_unpaged_optimizer(string kind, long groupBytes)
    {
        var (resident, paged) = (Parameters(), Parameters());
        using var one = New(kind, resident, isPaged: false);
        using var other = New(kind, paged, isPaged: true, groupBytes);
        for (int step = 1; step <= 4; step++)
        {
            // A parameter without a gradient keeps its moments.
            Step(one, resident, step, skipped: step % 3);
            Step(other, paged, step, skipped: step % 3);
        }
        foreach (var ((name, expected), (_, actual)) in resident.Zip(paged))
        {
            Assert.That(actual.Value.ToArray<float>(), Is.EqualTo(expected.Value.ToArray<float>()), name);
        }
    }

    [Test]
    public void The_state_is_in_host_memory_and_a_step_holds_three_groups_on_the_device()
    {
        var parameters = Parameters();
        long state = Shapes.Sum(shape => 2 * Arena.Round(4 * shape.Count)), largest = 2 * Arena.Round(4 * Shapes.Max(shape => shape.Count));
        long before = _backend.Memory.CurrentBytes;
        using (var optimizer = New("adamw", parameters, isPaged: true, groupBytes: 1))
        {
            Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.Zero);
            Assert.That(_backend.HostMemory!.Current(MemoryKind.Optimizer), Is.EqualTo(state));
            foreach (var (_, parameter) in parameters)
            {
                GiveGradient(parameter, 1);
            }
            long uploaded = _backend.UploadedBytes, standing = _backend.Memory.CurrentBytes;
            _backend.Memory.ResetPeak();
            optimizer.Step(0.01);
            Assert.That(_backend.Memory.PeakBytes - standing, Is.GreaterThanOrEqualTo(largest).And.LessThanOrEqualTo(3 * largest));
            Assert.That(_backend.UploadedBytes - uploaded, Is.EqualTo(Shapes.Sum(shape => 2 * 4 * shape.Count)));
            Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.Zero);
            optimizer.FreeGradients();
        }
        Assert.That(_backend.HostMemory!.CurrentBytes, Is.Zero);
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
    }

    [TestCase("adamw")]
    [TestCase("adamw_8bit")]
    [TestCase("lion")]
    public void A_state_is_restored_and_permuted_as_one_on_the_device(string kind)
    {
        var (resident, paged) = (Parameters(), Parameters());
        using var one = New(kind, resident, isPaged: false);
        using var other = New(kind, paged, isPaged: true, SmallGroup);
        Step(one, resident, 1);
        for (int i = 0; i < Shapes.Length; i++)
        {
            _backend.Copy(resident[i].Parameter.Value, paged[i].Parameter.Value);
            var from = one.States[i];
            other.States[i].Restore(from.Steps, name =>
            {
                byte[] bytes = from.Moments.Single(moment => moment.Name == name).Value.ToBytes();
                return (offset, length) => bytes.AsSpan((int)offset, length);
            });
            int count = (int)Shapes[i].Count;
            int[] order = [.. Enumerable.Range(0, count).Select(at => at == 2 ? -1 : count - 1 - at)];
            one.PermuteState(resident[i].Parameter, order);
            other.PermuteState(paged[i].Parameter, order);
        }
        Step(one, resident, 2);
        Step(other, paged, 2);
        foreach (var ((name, expected), (_, actual)) in resident.Zip(paged))
        {
            Assert.That(actual.Value.ToArray<float>(), Is.EqualTo(expected.Value.ToArray<float>()), name);
        }
    }

    [Test]
    public void On_a_device_of_host_memory_the_state_stays_on_the_device()
    {
        using var plain = new CpuBackend(1);
        var parameter = new Parameter([8]);
        parameter.Set(plain.From(new float[8], [8], MemoryKind.Trainable));
        using var optimizer = New("adamw", [("p", parameter)], isPaged: true);
        Assert.That(plain.Memory.Current(MemoryKind.Optimizer), Is.EqualTo(2 * Arena.Round(32)));
        parameter.Value.Dispose();
    }

    private void GiveGradient(Parameter parameter, int seed)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        tape.Backward(parameter.Value * 1, _backend.From(Numbers.Random(seed, (int)parameter.Shape.Count), parameter.Shape));
    }

    private static Optimizer New(string kind, IReadOnlyList<(string, Parameter)> parameters, bool isPaged,
        long groupBytes = PagedUpdate.GroupBytes) => kind switch
        {
            "adamw" => new AdamW(parameters, 0.9f, 0.999f, 1e-8f, 0.01f, null, isPaged) { GroupBytes = groupBytes },
            "adamw_8bit" => new AdamW8Bit(parameters, weightDecay: 0.01f, isPaged: isPaged) { GroupBytes = groupBytes },
            _ => new Lion(parameters, isPaged: isPaged) { GroupBytes = groupBytes },
        };

    private List<(string Name, Parameter Parameter)> Parameters() => [.. Shapes.Select((shape, i) =>
    {
        var parameter = new Parameter(shape);
        parameter.Set(_backend.From(Numbers.Random(i, (int)shape.Count), shape, MemoryKind.Trainable));
        parameter.RequiresGrad = true;
        return ($"p{i}", parameter);
    })];

    private void Step(Optimizer optimizer, List<(string Name, Parameter Parameter)> parameters, int seed, int skipped = -1)
    {
        for (int i = 0; i < parameters.Count; i++)
        {
            if (i != skipped)
            {
                GiveGradient(parameters[i].Parameter, seed + i);
            }
        }
        optimizer.Step(0.01, 0.5f);
        optimizer.FreeGradients();
    }
}
