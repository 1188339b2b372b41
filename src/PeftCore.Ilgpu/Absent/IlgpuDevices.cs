using System.Reflection;
using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Finds the devices that ILGPU can use; in this build there is no ILGPU, and it says why.</summary>
public static class IlgpuDevices
{
    /// <summary>Opens a device to compute on; here, says why there is none.</summary>
    /// <param name="device"><c>cuda</c>, <c>cuda:1</c>, …, or <c>ilgpu-cpu</c>.</param>
    /// <param name="options">How to compute; null for the defaults.</param>
    /// <exception cref="BadInputException">Always.</exception>
    public static IBackend Open(string device, IlgpuOptions? options = null) =>
        throw new BadInputException($"--device {DeviceName.Parse(device)}: {Find().Detail}");

    /// <summary>Never throws: a build without ILGPU is a working build without GPUs.</summary>
    public static IlgpuStatus Find()
    {
        string reason = typeof(IlgpuDevices).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "IlgpuReason").Value!;
        return new IlgpuStatus(null, $"built without ILGPU: {reason}", []);
    }
}
