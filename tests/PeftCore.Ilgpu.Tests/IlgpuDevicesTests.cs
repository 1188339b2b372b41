namespace PeftCore.Ilgpu.Tests;

public sealed class IlgpuDevicesTests
{
    [Test]
    public void The_cpu_accelerator_is_always_there_and_comes_last() =>
        Assert.That(IlgpuDevices.Find().Devices[^1].Kind, Is.EqualTo("ilgpu-cpu"));

    [Test]
    public void The_version_built_in_is_reported() => Assert.That(IlgpuDevices.Find().Version, Does.StartWith("1.5"));

    [Test]
    public void Only_devices_and_their_status_are_public()
    {
        var names = typeof(IlgpuDevices).Assembly.GetExportedTypes().Select(type => type.Name);

        Assert.That(names, Is.EquivalentTo([nameof(ComputeDevice), nameof(IlgpuDevices), nameof(IlgpuStatus)]));
    }

    [Test]
    public void No_kernel_is_public() =>
        Assert.That(typeof(Kernels.Ilgpu.KernelCatalog).Assembly.GetExportedTypes(), Is.Empty);

    [Test]
    public void No_public_member_shows_a_type_of_ilgpu()
    {
        var seen =
            from type in typeof(IlgpuDevices).Assembly.GetExportedTypes()
            from member in type.GetMembers()
            from used in member switch
            {
                System.Reflection.MethodBase method => method.GetParameters().Select(p => p.ParameterType)
                    .Append((method as System.Reflection.MethodInfo)?.ReturnType ?? typeof(void)),
                System.Reflection.FieldInfo field => [field.FieldType],
                _ => [],
            }
            select used;

        Assert.That(seen.Where(type => type.Assembly.GetName().Name!.StartsWith("ILGPU", StringComparison.Ordinal)), Is.Empty);
    }
}
