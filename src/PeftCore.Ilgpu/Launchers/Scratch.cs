using ILGPU;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Float32 workspace for the launches of one method. It is freed as soon as they are queued: whatever takes the memory next comes
/// later in the stream.</summary>
internal readonly struct Scratch(LaunchContext gpu, long count) : IDisposable
{
    private readonly Storage _storage = gpu.Backend.Allocate(count * sizeof(float), MemoryKind.Workspace);

    public ArrayView<float> View => gpu.Device.Space.View<float>(_storage.Address, count);

    public nint Address => _storage.Address;

    public void Dispose() => _storage.Release();
}
