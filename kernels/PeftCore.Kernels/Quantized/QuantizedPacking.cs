using System.Runtime.CompilerServices;

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
}
