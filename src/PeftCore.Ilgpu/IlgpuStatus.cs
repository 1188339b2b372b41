namespace PeftCore.Ilgpu;

/// <summary>The version of ILGPU, and what it finds on this machine.</summary>
/// <param name="Version">The version of ILGPU.</param>
/// <param name="Detail">One sentence for people: the number of CUDA devices, or the remedy if there is none.</param>
/// <param name="Devices">The devices found, CUDA ones first and ILGPU's CPU accelerator last.</param>
public sealed record IlgpuStatus(string Version, string Detail, IReadOnlyList<ComputeDevice> Devices);
