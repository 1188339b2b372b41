namespace PeftCore.Ilgpu;

/// <summary>One device that ILGPU can run kernels on.</summary>
public sealed class ComputeDevice
{
    internal ComputeDevice(string kind, string name, long? memoryBytes = null, string? architecture = null) =>
        (Kind, Name, MemoryBytes, Architecture) = (kind, name, memoryBytes, architecture);

    /// <summary>The name that <c>--device</c> takes: <c>cuda</c> or <c>ilgpu-cpu</c>.</summary>
    public string Kind { get; }

    /// <summary>The model name that its driver reports.</summary>
    public string Name { get; }

    /// <summary>Its memory in bytes; null if it has no separate memory.</summary>
    public long? MemoryBytes { get; }

    /// <summary>The compute capability, such as <c>SM_90</c>; null if it has none.</summary>
    public string? Architecture { get; }
}
