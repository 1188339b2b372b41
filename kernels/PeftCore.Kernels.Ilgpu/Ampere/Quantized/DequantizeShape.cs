namespace PeftCore.Kernels.Ilgpu.Ampere.Quantized;

/// <summary>The constants that <see cref="DequantizePtx"/> writes into the kernel that dequantises a matrix to BF16.</summary>
/// <param name="FourBits">Codes have four bits; otherwise they are INT8.</param>
/// <param name="DoubleQuantized">The scales are quantised.</param>
internal readonly record struct DequantizeShape(bool FourBits, bool DoubleQuantized)
{
    public const int Threads = 256;

    /// <summary>Thread blocks resident on a multiprocessor.</summary>
    public const int BlocksPerProcessor = 6;

    /// <summary>Numbers that a thread writes at a time: 16 bytes.</summary>
    public const int Group = 8;

    /// <summary>Groups of a thread, all read before the first is written.</summary>
    public const int GroupsPerThread = 4;

    /// <summary>Bytes of the levels in shared memory; the dynamic map follows.</summary>
    public const int LevelBytes = 64;

    /// <summary>Dynamic shared memory of a thread block: levels and the dynamic map, from a multiple of 1024 on.</summary>
    public const int SharedBytes = 1024 + LevelBytes + 1024;
}
