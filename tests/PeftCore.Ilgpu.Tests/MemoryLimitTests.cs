using PeftCore.Backends;

namespace PeftCore.Ilgpu.Tests;

public sealed class MemoryLimitTests
{
    [Test]
    public void A_device_takes_no_more_than_it_may_and_says_what_to_do()
    {
        using var backend = IlgpuDevices.Open("ilgpu-cpu", new IlgpuOptions(MemoryLimit: 2 << 20));
        using var fits = backend.NewTensor([1 << 16]);

        var refusal = Assert.Throws<InsufficientMemoryException>(() => backend.NewTensor([1 << 20]));

        Assert.That(refusal!.Message, Does.Contain("allowed 2 MiB").And.Contain("a smaller batch"));
    }
}
