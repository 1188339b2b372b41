using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu;

/// <summary>A CUtensorMap: the copy engine's description of a BF16 tensor, 128 bytes that cuTensorMapEncodeTiled encodes. Boxes have
/// swizzled rows of 128 bytes; elements outside the tensor read as zero and are not written.</summary>
internal static unsafe class TensorMap
{
    public const int Bytes = 128;

    private const int BFloat16 = 9, NotInterleaved = 0, Swizzle128 = 3, Promote256 = 3, ZeroOutside = 0;

    private static readonly Lazy<nint> Encode = new(() => CudaDriver.Export("cuTensorMapEncodeTiled"));

    /// <summary>Encodes the map of a row-major matrix whose rows are padded to whole chunks. One copy takes a box of rows and
    /// columns.</summary>
    public static void Write(byte* map, nint address, int rows, int columns, (int Rows, int Columns) box) =>
        Write(map, address, [(ulong)columns, (ulong)rows], [2UL * (ulong)GemmSchedule.Pitch(columns)], [(uint)box.Columns, (uint)box.Rows]);

    /// <summary>Encodes the map of a tensor of up to five axes, of which the first is contiguous.</summary>
    /// <param name="map">128 bytes at a multiple of 64.</param>
    /// <param name="address">Address of the first element.</param>
    /// <param name="extents">Elements along each axis.</param>
    /// <param name="strides">Bytes along each axis but the first.</param>
    /// <param name="box">Elements along each axis of one copy.</param>
    /// <exception cref="InvalidOperationException">The driver rejects the map: the address or a stride is not a multiple of 16
    /// bytes.</exception>
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
