namespace PeftCore.Ilgpu;

/// <summary>Whether this build has ILGPU, and what it finds on this machine.</summary>
/// <param name="Version">The version of ILGPU built in; null if this build has none.</param>
/// <param name="Detail">One sentence for people: what was found, or why there is nothing.</param>
/// <param name="Devices">The devices found, CUDA ones first; empty without ILGPU.</param>
public sealed record IlgpuStatus(string? Version, string Detail, IReadOnlyList<ComputeDevice> Devices)
{
    /// <summary>True if this build can run GPU kernels at all.</summary>
    public bool Found => Version is not null;
}
