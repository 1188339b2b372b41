using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Backends;

/// <summary>The meta backend runs the same code, so its ledger equals that of a real run, entry by entry.</summary>
public sealed class MetaBackendTests
{
    [Test]
    public void Every_allocation_of_a_forward_and_backward_pass_is_the_same_with_and_without_data(
        [Values("llama", "gpt2")] string family, [Values] bool checkpointing, [Values(0, 0.1)] double dropout)
    {
        using var cpu = new CpuBackend(2);
        using var meta = new MetaBackend();
        var real = Account(cpu, family, checkpointing, dropout);
        var planned = Account(meta, family, checkpointing, dropout);
        Assert.That(planned.Events, Is.EqualTo(real.Events));
        Assert.That(planned.Peak, Is.EqualTo(real.Peak));
        Assert.That(meta.ReservedBytes, Is.EqualTo(cpu.ReservedBytes));
        Assert.That(real.Events, Has.Count.GreaterThan(100));
    }

    [Test]
    public void Numbers_read_from_it_are_zero()
    {
        using var meta = new MetaBackend();
        using var scope = new TensorScope();
        Assert.That(meta.From([1f, 2], [2]).ToArray<float>(), Is.All.Zero);
        Assert.That(TinyModels.Loss(TinyModels.Llama(meta)).Item(), Is.Zero);
    }

    [Test]
    public void It_counts_two_operations_a_multiply_add()
    {
        using var meta = new MetaBackend();
        using var scope = new TensorScope();
        var (a, b, c) = (meta.NewTensor([3, 5]), meta.NewTensor([7, 5]), meta.NewTensor([3, 7]));
        meta.MatMul(a, false, b, true, c);
        Assert.That(meta.Flops, Is.EqualTo(2 * 3 * 5 * 7));
        meta.MatMul(c, true, a, false, b);
        Assert.That(meta.Flops, Is.EqualTo(2 * 2 * 3 * 5 * 7));
    }

    [TestCase(7, 8)]
    [TestCase(8, 0)]
    public void It_counts_the_copy_that_tensor_cores_need_of_rows_that_are_no_multiple_of_eight(int columns, int copied)
    {
        using var meta = new MetaBackend(DType.BF16);
        using var scope = new TensorScope();
        var (a, b, c) = (meta.NewTensor([512, columns], DType.BF16), meta.NewTensor([columns, 16], DType.BF16), meta.NewTensor([512, 16],
            DType.BF16));
        long before = meta.Memory.PeakBytes;

        meta.MatMul(a, false, b, false, c);

        Assert.That(meta.Memory.PeakBytes - before, Is.EqualTo(512 * copied * DType.BF16.Size));
    }

    private static (List<MemoryEvent> Events, long[] Peak) Account(Backend backend, string family, bool checkpointing, double dropout)
    {
        using var scope = new TensorScope();
        TransformerModel model = family == "llama" ? TinyModels.Llama(backend) : TinyModels.Gpt2(backend);
        model.GradientCheckpointing = checkpointing;
        model.Mode.Training = true;
        TinyModels.WithLora(model, ModuleSelector.Parse(ModuleSelector.AllLinear), dropout);
        var events = new List<MemoryEvent>();
        backend.Memory.ResetPeak();
        backend.Memory.Watcher = events.Add;
        using (var tape = new Tape())
        {
            tape.Backward(TinyModels.Loss(model));
        }
        backend.Memory.Watcher = null;
        return (events, [backend.Memory.PeakBytes, .. Enum.GetValues<MemoryKind>().Select(backend.Memory.AtPeak)]);
    }
}
