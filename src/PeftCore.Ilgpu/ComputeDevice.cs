namespace PeftCore.Ilgpu;

/// <summary>One device that ILGPU can run kernels on.</summary>
/// <param name="Kind">The name that <c>--device</c> takes: <c>cuda</c> or <c>ilgpu-cpu</c>.</param>
/// <param name="Name">The model name that its driver reports.</param>
/// <param name="MemoryBytes">Its memory in bytes; null if it has no separate memory.</param>
/// <param name="Architecture">The compute capability, such as <c>SM_90</c>; null if it has none.</param>
public sealed record ComputeDevice(string Kind, string Name, long? MemoryBytes, string? Architecture);
