namespace PeftCore.Ilgpu;

/// <summary>The version of ILGPU, and what it finds on this machine.</summary>
/// <param name="Version">The version of ILGPU.</param>
/// <param name="Detail">One sentence for people: how many CUDA devices were found, or what to do without one.</param>
/// <param name="Devices">The devices found, CUDA ones first and ILGPU's CPU accelerator last.</param>
public sealed record IlgpuStatus(string Version, string Detail, IReadOnlyList<ComputeDevice> Devices);
