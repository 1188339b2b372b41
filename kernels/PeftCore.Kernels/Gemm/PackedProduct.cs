using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>The packed matrix product of Goto and van de Geijn (2008) and Van Zee and van de Geijn (2015): some steps of a strip of B stay
/// in the first-level cache while the panels of a packed block of A are read from the second. Blocks depend on the sizes alone, never on
/// the number of threads. Tested against the triple loop of GemmTests.</summary>
internal static unsafe class PackedProduct<TTile>
    where TTile : struct, ITile
{
    // The most floats of a block of A, and the most steps; few rows take more steps, so that C is loaded and stored less often.
    private const int BlockFloats = 147456, MaxSteps = 384, MaxStepsOfFewRows = 768, FewRows = 128;

    // The most rows of A that are packed at once.
    private const int MaxRows = 1536;

    // With at most this number of rows, packing B is slower than reading it in place.
    private const int MaxDirectRows = 36;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        bool direct = !product.B.IsPrepacked && !product.B.IsQuantized && product.M <= MaxDirectRows && !product.B.StepsAdjacent;
        int steps = Even(product.K, product.M <= FewRows ? MaxStepsOfFewRows : MaxSteps, 4), rows = Even(product.M, MaxRows, TTile.Rows);
        using var packed = pool.Scratch.Rent((long)rows * steps);
        PackedBlock<TTile> block = new(product, packed.Pointer, direct);
        for (block.Step = 0; block.Step < product.K; block.Step += steps)
        {
            block.Steps = Math.Min(steps, product.K - block.Step);
            for (block.Row = 0; block.Row < product.M; block.Row += rows)
            {
                block.Rows = Math.Min(rows, product.M - block.Row);
                PackRowsBody<TTile> panels = new(block);
                pool.For(panels.Items, ref panels);
                MacroKernel<TTile> strips = new(block, Even(block.Rows, Math.Max(BlockFloats / steps, TTile.Rows), TTile.Rows), pool);
                pool.For(strips.Items, ref strips);
            }
        }
    }

    /// <summary>The length of about equal parts of total, in whole units: at most max, rounded up to a unit.</summary>
    internal static int Even(int total, int max, int unit)
    {
        int parts = Ranges.Count(total, max), part = Ranges.Count(total, parts);
        return Ranges.Count(part, unit) * unit;
    }
}
