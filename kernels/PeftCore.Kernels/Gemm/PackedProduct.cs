namespace PeftCore.Kernels;

/// <summary>
/// The product of two matrices after Goto and van de Geijn (2008) and Van Zee and van de Geijn (2015): some steps of a strip of B stay in
/// the first-level cache while a block of A, packed and in the second, goes past it panel by panel. Blocks and tiles depend on the sizes
/// alone, never on the number of threads.
/// </summary>
internal static unsafe class PackedProduct<TTile>
    where TTile : struct, ITile
{
    // A block of A has so many floats at most; few rows come with more steps, so that C is met less often.
    private const int BlockFloats = 147456, MaxSteps = 384, MaxStepsOfFewRows = 768, FewRows = 128;

    // What is packed of A at once.
    private const int MaxRows = 1536;

    // So few rows do not repay packing B, if it can be read as it is.
    private const int MaxDirectRows = 36;

    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        bool direct = !product.B.IsPrepacked && product.M <= MaxDirectRows && !product.B.StepsAdjacent;
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

    /// <summary>The length of equal parts of total, none longer than max by a unit, in whole units.</summary>
    internal static int Even(int total, int max, int unit)
    {
        int parts = Ranges.Count(total, max), part = Ranges.Count(total, parts);
        return Ranges.Count(part, unit) * unit;
    }
}
