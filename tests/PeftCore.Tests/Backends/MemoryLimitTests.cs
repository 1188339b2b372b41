using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests.Backends;

public sealed class MemoryLimitTests
{
    private const int Mebibyte = 1 << 18; // floats

    [Test]
    public void More_than_the_limit_is_refused_with_what_was_asked_what_is_used_and_what_helps()
    {
        using var backend = new CpuBackend(1, memoryLimit: 40L << 20);
        using var scope = new TensorScope();
        backend.NewTensor([30, Mebibyte]);
        Assert.That(() => backend.NewTensor([20, Mebibyte]), Throws.TypeOf<InsufficientMemoryException>().With.Message.EqualTo(
            "20 MiB more memory is needed, but 30 MiB of the allowed 40 MiB are in use; a smaller batch, shorter sequences or gradient " +
            "checkpointing need less, and tensors made inside a TensorScope are freed when it ends"));
        Assert.That(backend.Memory.CurrentBytes, Is.EqualTo(30L << 20), "what was refused is not counted");
        Assert.That(() => backend.NewTensor([10, Mebibyte]), Throws.Nothing);
    }

    [Test]
    public void Tensors_that_nothing_refers_to_are_collected_before_memory_is_refused()
    {
        using var backend = new CpuBackend(1, memoryLimit: 40L << 20);
        for (int i = 0; i < 100; i++)
        {
            Forget(backend);
        }
        Assert.That(backend.Memory.CurrentBytes, Is.LessThanOrEqualTo(40L << 20));
    }

    // Not inlined, so that no register of the caller refers to the tensor.
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Forget(CpuBackend backend) => backend.NewTensor([9, Mebibyte]);

    [Test]
    public void What_was_freed_can_be_used_for_something_larger()
    {
        using var backend = new CpuBackend(1, memoryLimit: 80L << 20);
        backend.NewTensor([10, Mebibyte]).Dispose();
        backend.NewTensor([70, Mebibyte]).Dispose();
        Assert.That(backend.ReservedBytes, Is.EqualTo(70L << 20));
        backend.Trim();
        Assert.That(backend.ReservedBytes, Is.Zero);
    }

    [Test]
    public void More_than_the_machine_can_address_is_refused()
    {
        using var backend = new CpuBackend(1);
        Assert.That(() => backend.NewTensor([int.MaxValue, 1 << 28]),
            Throws.TypeOf<InsufficientMemoryException>().With.Message.StartWith("the system refused"));
    }
}
