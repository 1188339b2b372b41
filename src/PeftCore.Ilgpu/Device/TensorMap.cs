using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu;

/// <summary>A CUtensorMap: the copy engine's description of a BF16 tensor, 128 bytes that cuTensorMapEncodeTiled encodes. Boxes have
/// swizzled rows of 128 bytes; elements outside the tensor read as zero and are not written.</summary>
internal static unsafe class TensorMap
{
    public const int Bytes = 128;

    private const int BFloat16 = 9, NotInterleaved = 0, Swizzle128 = 3, Promote256 = 3, ZeroOutside = 0;

    private static readonly Lazy<nint> EncodePatches = new(() => CudaDriver.Export("cuTensorMapEncodeIm2col"));
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
                throw Refused(address, extents, error);
            }
        }
    }

    /// <summary>Encodes the map of a convolution's input (batch, height, width, channels). One copy takes some channels of the patches at
    /// consecutive output positions, at one kernel position: the copy engine steps over the ends of lines and pictures.</summary>
    /// <param name="map">128 bytes at a multiple of 64.</param>
    /// <param name="address">Address of the first element.</param>
    /// <param name="grid">The convolution.</param>
    /// <param name="patches">Patches of one copy.</param>
    /// <param name="channels">Channels of one copy.</param>
    /// <exception cref="InvalidOperationException">The driver rejects the map.</exception>
    public static void WritePatches(byte* map, nint address, in PatchGrid grid, int patches, int channels)
    {
        ulong row = 2UL * (ulong)grid.Channels;
        ulong* extents = stackalloc ulong[] { (ulong)grid.Channels, (ulong)grid.Width, (ulong)grid.Height, (ulong)grid.Batch };
        ulong* strides = stackalloc ulong[] { row, row * extents[1], row * extents[1] * extents[2] };
        uint* steps = stackalloc uint[] { 1, (uint)grid.StrideWidth, (uint)grid.StrideHeight, 1 };
        // Kernel position (0, 0) of the first and of the last patch of a picture; the latter counts from the picture's last place.
        int* lower = stackalloc int[] { -grid.PadLeft, -grid.PadTop };
        int* upper = stackalloc int[] { grid.LastLeft, grid.LastTop };
        var encode = (delegate* unmanaged<byte*, int, uint, nint, ulong*, ulong*, int*, int*, uint, uint, uint*, int, int, int, int, int>)
            EncodePatches.Value;
        int error = encode(map, BFloat16, 4, address, extents, strides, lower, upper, (uint)channels, (uint)patches, steps, NotInterleaved,
            Swizzle128, Promote256, ZeroOutside);
        if (error != 0)
        {
            throw Refused(address, new ReadOnlySpan<ulong>(extents, 4), error);
        }
    }

    private static InvalidOperationException Refused(nint address, ReadOnlySpan<ulong> extents, int error) =>
        new($"the NVIDIA driver refused a map of {string.Join(" × ", extents.ToArray())} BF16 at 0x{address:X}: error {error}");
}
