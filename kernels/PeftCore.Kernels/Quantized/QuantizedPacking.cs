using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Packs a quantised operand into a micro-panel of float32, as <see cref="Packing"/> packs others.</summary>
internal static unsafe class QuantizedPacking
{
    // Steps of all rows that are dequantised before they are transposed: a block of most formats, so that a scale is read once.
    private const int Chunk = 64;

    /// <summary>Packs rows row … row + used − 1 over some steps into a micro-panel of <paramref name="width"/> rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Pack(QuantizedMatrix* matrix, bool stepsAdjacent, int row, int used, int width, int step, int steps, float* panel)
    {
        if (!stepsAdjacent && CanPackGroups(matrix, row, used, width))
        {
            PackGroups(matrix, row, step, steps, panel);
            return;
        }
        if (!stepsAdjacent)
        {
            for (int p = 0; p < steps; p++, panel += width)
            {
                QuantizedRun.Load(matrix, step + p, row, used, panel);
                new Span<float>(panel + used, width - used).Clear();
            }
            return;
        }
        float* rows = stackalloc float[width * Chunk];
        for (int first = 0; first < steps;)
        {
            // Chunks end where those of the whole row do.
            int count = Math.Min(steps - first, Chunk - ((step + first) & (Chunk - 1)));
            for (int r = 0; r < used; r++)
            {
                QuantizedRun.Load(matrix, row + r, step + first, count, rows + r * Chunk);
            }
            Packing.Transpose<Float32Element>((byte*)rows, Chunk, used, width, count, panel + (nint)first * width);
            first += count;
        }
    }

    // A panel of 32 rows whose codes of each step are one group of a block.
    private static bool CanPackGroups(QuantizedMatrix* matrix, int row, int used, int width) => Avx512F.IsSupported
        && matrix->Kind != QuantizedKind.Int8 && used == FourBitRun.Group && width == FourBitRun.Group
        && ((row | matrix->Columns) & (FourBitRun.Group - 1)) == 0;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackGroups(QuantizedMatrix* matrix, int row, int step, int steps, float* panel)
    {
        var levels = Vector512.Load(FourBitLevels.Address(matrix->Kind));
        byte* codes = matrix->Codes;
        int shift = matrix->BlockShift, columns = matrix->Columns;
        long first = (long)step * columns + row;
        for (int p = 0; p < steps; p++, first += columns, panel += FourBitRun.Group)
        {
            FourBitRun.DecodeGroup(codes + (first >> 1), levels * matrix->ScaleOf(first >> shift), panel);
        }
    }
}
