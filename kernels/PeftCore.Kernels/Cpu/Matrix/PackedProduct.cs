namespace PeftCore.Kernels;

/// <summary>
/// The product of two matrices after Goto and van de Geijn (2008): blocks of A and B are packed into panels that stay in the
/// caches, and tiles of C are computed from them. Blocks and tiles depend on the sizes alone, never on the number of threads.
/// </summary>
internal static unsafe class PackedProduct<TTile>
    where TTile : struct, ITile
{
    // A panel of A stays in the first-level cache, a strip of B in the second, a block of either in the last.
    private const int MaxSteps = 384, MaxRows = 1536, MaxColumns = 1536;

    // So few rows do not repay packing B, if it can be read as it is.
    private const int MaxDirectRows = 36;

    // With so many strips of B and no more rows than these, threads need not share any strip: each takes a run of them. With more rows
    // packing hardly shows, and sharing keeps a panel of A in the first-level cache.
    private const int ManyStrips = 16, MaxOwnRows = 320, MaxRun = 8, EnoughRuns = 12;

    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        bool ready = product.B.IsPacked, direct = !ready && product.M <= MaxDirectRows && !product.B.StepsAdjacent;
        int steps = Even(product.K, MaxSteps, 4), rows = Even(product.M, MaxRows, TTile.Rows);
        int strips = Ranges.Count(product.N, TTile.Columns);
        using Scratch packedA = pool.Scratch.Rent((long)rows * steps);
        if (!direct && strips >= ManyStrips && product.M <= MaxOwnRows)
        {
            PackedBlock<TTile> block = new(product, packedA.Pointer, null, false) { Columns = product.N };
            Walk(ref block, rows, steps, strips, pool);
            return;
        }

        int columns = ready ? strips * TTile.Columns : Even(product.N, MaxColumns, TTile.Columns);
        using Scratch packedB = pool.Scratch.Rent((long)(ready ? 0 : direct ? TTile.Columns : columns) * steps);
        PackedBlock<TTile> shared = new(product, packedA.Pointer, packedB.Pointer, direct);
        for (shared.Column = 0; shared.Column < product.N; shared.Column += columns)
        {
            shared.Columns = Math.Min(columns, product.N - shared.Column);
            Walk(ref shared, rows, steps, 0, pool);
        }
    }

    // All steps and rows of the block's columns; strips is the number of strips to own, 0 to share a packed block of B.
    private static void Walk(ref PackedBlock<TTile> block, int rows, int steps, int strips, WorkerPool pool)
    {
        for (block.Step = 0; block.Step < block.Product.K; block.Step += steps)
        {
            block.Steps = Math.Min(steps, block.Product.K - block.Step);
            for (block.Row = 0; block.Row < block.Product.M; block.Row += rows)
            {
                block.Rows = Math.Min(rows, block.Product.M - block.Row);
                // A shared block of B is packed with the first block of rows and serves the others.
                PackBody<TTile> pack = new(block, strips == 0 && block.Row == 0);
                pool.For(pack.Items, ref pack);
                if (strips > 0)
                {
                    int run = Math.Clamp(strips / EnoughRuns, 1, MaxRun);
                    OwnStripsBody<TTile> own = new(block, pool, run);
                    pool.For(Ranges.Count(strips, run), ref own);
                }
                else
                {
                    TilesBody<TTile> tiles = new(block);
                    pool.For(tiles.Items, ref tiles);
                }
            }
        }
    }

    /// <summary>The length of equal parts of total, none longer than max, in whole units.</summary>
    private static int Even(int total, int max, int unit)
    {
        int parts = Ranges.Count(total, max), part = Ranges.Count(total, parts);
        return Ranges.Count(part, unit) * unit;
    }
}
