using PeftCore.Backends;

namespace PeftCore.Tests.Backends;

public sealed class DisposedBackendTests
{
    [Test]
    public void A_tensor_may_outlive_its_backend()
    {
        var backend = new CpuBackend(1);
        var tensor = backend.Zeros([3]);
        backend.Dispose();
        Assert.That(tensor.Dispose, Throws.Nothing);
    }
}
