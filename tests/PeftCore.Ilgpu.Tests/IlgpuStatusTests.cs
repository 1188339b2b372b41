namespace PeftCore.Ilgpu.Tests;

public sealed class IlgpuStatusTests
{
    [Test]
    public void Looking_for_devices_never_throws_and_always_says_something()
    {
        var status = IlgpuDevices.Find();

        Assert.That(status.Detail, Is.Not.Empty);
        Assert.That(status.Devices, Is.Not.Empty);
    }
}
