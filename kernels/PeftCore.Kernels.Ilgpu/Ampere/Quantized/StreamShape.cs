using System.Globalization;

namespace PeftCore.Kernels.Ilgpu.Ampere.Quantized;

/// <summary>The constants that <see cref="StreamPtx"/> writes into the kernel of a product of few rows with four-bit codes.</summary>
/// <param name="Tiles">Tiles of eight columns of the result that a warp computes: 1 or 2.</param>
/// <param name="FewRows">At most eight rows of x.</param>
/// <param name="DoubleQuantized">The scales are quantised.</param>
/// <param name="Bf16Result">The result is BF16 rather than F32.</param>
/// <param name="StartsEarly">The thread blocks start before the preceding kernel has ended, and wait for it (compute capability
/// 9.0).</param>
internal readonly record struct StreamShape(int Tiles, bool FewRows, bool DoubleQuantized, bool Bf16Result, bool StartsEarly)
{
    public const int Warps = 8, Threads = 32 * Warps;

    /// <summary>Thread blocks resident on a multiprocessor.</summary>
    public const int BlocksPerProcessor = 3;

    /// <summary>Rows of x that are multiplied at a time: those of an m16n8k16 product.</summary>
    public const int Rows = 16;

    /// <summary>Numbers of a block, which share a scale; and blocks of a step of a warp.</summary>
    public const int Block = 64, Blocks = 4;

    /// <summary>Columns of W that a warp reads in a step: 128 bytes of each row.</summary>
    public const int Step = Blocks * Block;

    /// <summary>Bytes of the table of pairs: 32 copies of the two BF16 levels of each byte of codes, one in every bank.</summary>
    public const int TableBytes = 256 * 128;

    /// <summary>Offset of the dynamic map in shared memory, and of the partial sums.</summary>
    public const int MapAt = TableBytes, SumsAt = MapAt + 1024;

    /// <summary>Bytes of the partial sums of a warp.</summary>
    public int WarpBytes => Tiles * 512;

    /// <summary>Dynamic shared memory of a thread block.</summary>
    public int SharedBytes => 1024 + SumsAt + (Warps * WarpBytes);

    /// <summary>The name in a profile.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"streamed four-bit product, {Tiles * 8} columns a block");
}
