using System.Runtime.CompilerServices;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Tensors;

/// <summary>Code without scopes does not leak: the garbage collector frees unreferenced tensors.</summary>
public sealed class FinalizerTests
{
    [Test]
    public void Unscoped_tensors_give_their_memory_back_when_nothing_refers_to_them()
    {
        using var backend = new CpuBackend(1);
        var kept = Work(backend);
        Collect();
        Assert.That(backend.Memory.CurrentBytes, Is.EqualTo(Arena.Granularity));
        Assert.That(kept.ToArray<float>(), Is.All.EqualTo(3));
        kept.Dispose();
        Assert.That(backend.Memory.CurrentBytes, Is.Zero);
    }

    [Test]
    public void A_tensor_finalized_after_its_backend_does_no_harm()
    {
        var backend = new CpuBackend(1);
        Work(backend).Dispose();
        backend.Dispose();
        Collect();
        Assert.That(() => backend.Zeros([1]), Throws.TypeOf<ObjectDisposedException>());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Tensor Work(CpuBackend backend)
    {
        var x = backend.From([1f, 1, 1], [3]);
        for (int i = 0; i < 50; i++)
        {
            _ = x.Reshape([3, 1]) * 2f;
        }
        return x + (x + x);
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
