using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu;

/// <summary>What the copy engine knows of a BF16 tensor: 128 bytes that cuTensorMapEncodeTiled fills in. Boxes have rows of 128 bytes,
/// swizzled; what lies outside the tensor reads as zero and is not written.</summary>
internal static unsafe class TensorMap
{
    public const int Bytes = 128;

    private const int BFloat16 = 9, NotInterleaved = 0, Swizzle128 = 3, Promote256 = 3, ZeroOutside = 0;

    private static readonly Lazy<nint> Encode = new(() => CudaDriver.Export("cuTensorMapEncodeTiled"));

    /// <summary>Writes the map of a row-major matrix whose rows take whole chunks, read or written a box of so many rows and columns at a
    /// time.</summary>
    public static void Write(byte* map, nint address, int rows, int columns, (int Rows, int Columns) box) =>
        Write(map, address, [(ulong)columns, (ulong)rows], [2UL * (ulong)GemmSchedule.Pitch(columns)], [(uint)box.Columns, (uint)box.Rows]);

    /// <summary>Writes the map of a tensor of up to five axes, the first contiguous.</summary>
    /// <param name="map">128 bytes, on 64.</param>
    /// <param name="address">Of the first element.</param>
    /// <param name="extents">Elements along each axis.</param>
    /// <param name="strides">Bytes along each axis but the first.</param>
    /// <param name="box">Elements along each axis that are read or written at a time.</param>
    /// <exception cref="InvalidOperationException">The driver refuses: the address or the strides are not on 16 bytes.</exception>
    public static void Write(byte* map, nint address, ReadOnlySpan<ulong> extents, ReadOnlySpan<ulong> strides, ReadOnlySpan<uint> box)
    {
        uint* steps = stackalloc uint[] { 1, 1, 1, 1, 1 };
        var encode = (delegate* unmanaged<byte*, int, uint, nint, ulong*, ulong*, uint*, uint*, int, int, int, int, int>)Encode.Value;
        fixed (ulong* sizes = extents, bytes = strides)
        fixed (uint* boxes = box)
        {
            int error = encode(
                map, BFloat16, (uint)extents.Length, address, sizes, bytes, boxes, steps, NotInterleaved, Swizzle128, Promote256,
                ZeroOutside);
            if (error != 0)
            {
                throw new InvalidOperationException(
                    $"the NVIDIA driver refused a map of {string.Join(" × ", extents.ToArray())} BF16 at 0x{address:X}: error {error}");
            }
        }
    }
}
