namespace PeftCore.Ilgpu.Tests;

public sealed class WithoutIlgpuTests
{
    [Test]
    public void A_build_without_ilgpu_says_why() =>
        Assert.That(IlgpuDevices.Find().Detail, Does.StartWith("built without ILGPU: ").And.Length.GreaterThan(30));

    [Test]
    public void A_build_without_ilgpu_refers_to_no_assembly_of_it()
    {
        IEnumerable<string?> referenced = typeof(IlgpuDevices).Assembly.GetReferencedAssemblies().Select(name => name.Name);

        Assert.That(referenced, Has.None.Contains("ILGPU").And.None.EndsWith(".Reference"));
    }
}
