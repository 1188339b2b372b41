namespace PeftCore.Ilgpu.Tests;

public sealed class DeviceNameTests
{
    [TestCase("cuda", true, 0, "cuda:0")]
    [TestCase("cuda:3", true, 3, "cuda:3")]
    [TestCase("ilgpu-cpu", false, 0, "ilgpu-cpu")]
    public void A_device_name_is_read(string text, bool cuda, int number, string full)
    {
        var name = DeviceName.Parse(text);

        Assert.That(name, Is.EqualTo(new DeviceName(cuda, number)));
        Assert.That(name.ToString(), Is.EqualTo(full));
    }

    [TestCase("gpu")]
    [TestCase("cuda:")]
    [TestCase("cuda:-1")]
    [TestCase("cuda:x")]
    public void Another_name_is_refused_with_the_names_there_are(string text) =>
        Assert.That(() => DeviceName.Parse(text),
            Throws.TypeOf<BadInputException>().With.Message.Contains(text).And.Message.Contains("cuda:<number>"));
}
