using PeftCore.Backends;
using PeftCore.Cli.Output;
using PeftCore.Ilgpu;

namespace PeftCore.Cli.Session;

/// <summary>From a --device to what computes there.</summary>
internal static class Devices
{
    /// <summary>Opens a device.</summary>
    /// <param name="name">cpu, cuda or ilgpu-cpu.</param>
    /// <param name="threads">CPU threads; 0 for all cores.</param>
    /// <param name="limit">The most memory to take.</param>
    public static IBackend Open(string name, int threads = 0, ByteSize? limit = null)
    {
        if (name == "cpu")
        {
            return new CpuBackend(threads, limit?.Bytes ?? long.MaxValue);
        }
        IlgpuStatus status = IlgpuDevices.Find();
        throw new BadInputException($"--device {name} cannot be used: {status.Detail.TrimEnd('.')}; \"peftcore env\" shows the devices there are, and --device cpu always works.");
    }
}
