using ILGPU;
using ILGPU.Runtime;

namespace PeftCore.Ilgpu;

/// <summary>All memory of a device as one ILGPU buffer that starts at address 0, so that a view of any block of the arena needs no separate
/// buffer. It owns no memory.</summary>
internal sealed class AddressSpace(Accelerator accelerator) : MemoryBuffer(accelerator, long.MaxValue, 1)
{
    /// <summary>A view of <paramref name="count"/> elements at an address, which must be a multiple of the element size.</summary>
    public unsafe ArrayView<T> View<T>(nint address, long count) where T : unmanaged => new(this, address / sizeof(T), count);

    protected override void MemSet(AcceleratorStream stream, byte value, in ArrayView<byte> targetView) => throw Unused();

    protected override void CopyFrom(AcceleratorStream stream, in ArrayView<byte> sourceView, in ArrayView<byte> targetView) =>
        throw Unused();

    protected override void CopyTo(AcceleratorStream stream, in ArrayView<byte> sourceView, in ArrayView<byte> targetView) =>
        throw Unused();

    protected override void DisposeAcceleratorObject(bool disposing) { }

    private static NotSupportedException Unused() => new("memory is copied and filled by address");
}
