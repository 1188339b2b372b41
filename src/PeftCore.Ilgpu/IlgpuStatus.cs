namespace PeftCore.Ilgpu;

/// <summary>The version of ILGPU, and what it finds on this machine.</summary>
public sealed class IlgpuStatus
{
    internal IlgpuStatus(string version, string detail, IReadOnlyList<ComputeDevice> devices) =>
        (Version, Detail, Devices) = (version, detail, devices);

    /// <summary>The version of ILGPU.</summary>
    public string Version { get; }

    /// <summary>One sentence for people: the number of CUDA devices, or the remedy if there is none.</summary>
    public string Detail { get; }

    /// <summary>The devices found, CUDA ones first and ILGPU's CPU accelerator last.</summary>
    public IReadOnlyList<ComputeDevice> Devices { get; }
}
