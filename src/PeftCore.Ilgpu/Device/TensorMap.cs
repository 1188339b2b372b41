namespace PeftCore.Ilgpu;

/// <summary>What the copy engine knows of a BF16 matrix: 128 bytes that cuTensorMapEncodeTiled fills in. Boxes have rows of 128 bytes, swizzled;
/// what lies outside the matrix reads as zero and is not written.</summary>
internal static unsafe class TensorMap
{
    public const int Bytes = 128;

    private const int BFloat16 = 9, NotInterleaved = 0, Swizzle128 = 3, Promote256 = 3, ZeroOutside = 0;

    private static readonly Lazy<nint> Encode = new(() => CudaDriver.Export("cuTensorMapEncodeTiled"));

    /// <summary>Writes the map of a row-major matrix, read or written a box of so many rows and columns at a time.</summary>
    /// <exception cref="InvalidOperationException">The driver refuses: the address or the rows are not on 16 bytes.</exception>
    public static void Write(byte* map, nint address, int rows, int columns, (int Rows, int Columns) box)
    {
        ulong* extents = stackalloc ulong[2] { (ulong)columns, (ulong)rows };
        ulong* strides = stackalloc ulong[1] { 2UL * (ulong)columns };
        uint* boxes = stackalloc uint[2] { (uint)box.Columns, (uint)box.Rows };
        uint* steps = stackalloc uint[2] { 1, 1 };
        var encode = (delegate* unmanaged<byte*, int, uint, nint, ulong*, ulong*, uint*, uint*, int, int, int, int, int>)Encode.Value;
        int error = encode(map, BFloat16, 2, address, extents, strides, boxes, steps, NotInterleaved, Swizzle128, Promote256, ZeroOutside);
        if (error != 0)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused a map of {rows} × {columns} BF16 at 0x{address:X}: error {error}");
        }
    }
}
