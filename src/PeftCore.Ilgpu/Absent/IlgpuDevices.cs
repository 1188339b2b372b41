using System.Reflection;

namespace PeftCore.Ilgpu;

/// <summary>Finds the devices that ILGPU can use; in this build there is no ILGPU, and it says why.</summary>
public static class IlgpuDevices
{
    /// <summary>Never throws: a build without ILGPU is a working build without GPUs.</summary>
    public static IlgpuStatus Find()
    {
        string reason = typeof(IlgpuDevices).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "IlgpuReason").Value!;
        return new IlgpuStatus(null, $"built without ILGPU: {reason}", []);
    }
}
