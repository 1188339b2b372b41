using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Arguments of <see cref="WgmmaRaggedGemm"/>; the tensor maps of rows and matrices are a second parameter.
/// <typeparamref name="TView"/> is an ArrayView in the kernel and a <see cref="Attention.RawView"/> on the host.</summary>
internal struct WgmmaRaggedArgs<TView> where TView : struct
{
    /// <summary>The first row of each expert, and the number of rows.</summary>
    public TView Offsets;

    /// <summary>Address of the result, and bytes from one of its rows to the next.</summary>
    public long C, RowBytes;

    /// <summary>Columns of the result, of an element's bytes, and of tiles.</summary>
    public int N, ColumnBytes, TilesN, TileN;

    /// <summary>Rows of the map of all matrices from one expert to the next: N of them where K is contiguous (then they add to the column),
    /// else K (then they add to the depth).</summary>
    public int ExpertColumns, ExpertDepth;

    public int Experts, Steps, Stages, Accumulate;

    public float Alpha;
}

/// <summary>c[p, :] (+)= α·a[p, :]·op(B[e]) for the rows p of each expert e, on Hopper's tensor cores: <see cref="WgmmaGemm{TMode}"/> with
/// another tile scheduler. A tile lies in the rows of one expert; of its 128 rows those behind the expert's last are read and multiplied
/// but not written. The readable twin is <see cref="Portable.Experts.RaggedGemm{TA, TB, TBlock}"/>.</summary>
internal readonly struct WgmmaRaggedGemm : IKernel<WgmmaRaggedArgs<ArrayView<int>>>
{
    public static void Run(WgmmaRaggedArgs<ArrayView<int>> args)
    {
        CudaAsm.Emit("peft.begin;");
        if (Group.IdxX >= 256)
        {
            CudaAsm.Emit("peft.setmaxnreg_dec;");
            if (Group.IdxX == 256)
            {
                Produce(args);
            }
        }
        else
        {
            CudaAsm.Emit("peft.setmaxnreg_inc;");
            Consume(args);
        }

        CudaAsm.Emit("peft.end;");
    }

    // The offsets are results of an earlier kernel: they are read behind the wait.
    private static void Produce(WgmmaRaggedArgs<ArrayView<int>> args)
    {
        int stage = 0, round = 1, first = 0;
        CudaAsm.Emit("peft.griddep_wait;");
        for (var tile = RaggedTile.First(args); tile.Expert < args.Experts; tile = RaggedTile.Then(args, tile))
        {
            int column = tile.Column + (tile.Expert * args.ExpertColumns), depth = tile.Expert * args.ExpertDepth;
            for (int step = 0; step < args.Steps; step++)
            {
                int k = step * GemmShape.Depth;
                CudaAsm.Emit("peft.wait_empty %0, %1;", stage, round);
                CudaAsm.Emit("peft.load %0, %1, %2, %3, %4, %5, %6;", stage, first, k, tile.Row, column, first, depth + k);
                stage++;
                round = stage == args.Stages ? 1 - round : round;
                stage = stage == args.Stages ? 0 : stage;
            }
        }
    }

    private static void Consume(WgmmaRaggedArgs<ArrayView<int>> args)
    {
        int stage = 0, round = 0;
        CudaAsm.Emit("peft.griddep_wait;");
        for (var tile = RaggedTile.First(args); tile.Expert < args.Experts; tile = RaggedTile.Then(args, tile))
        {
            int last = 0;
            for (int step = 0; step < args.Steps; step++)
            {
                CudaAsm.Emit("peft.wait_full %0, %1;", stage, round);
                CudaAsm.Emit("peft.multiply %0, %1;", stage, step);
                if (step > 0)
                {
                    CudaAsm.Emit("peft.release %0;", last);
                }

                last = stage;
                stage++;
                round = stage == args.Stages ? 1 - round : round;
                stage = stage == args.Stages ? 0 : stage;
            }

            CudaAsm.Emit("peft.drain;");
            CudaAsm.Emit("peft.release %0;", last);
            Finish(args, tile);
        }
    }

    private static void Finish(WgmmaRaggedArgs<ArrayView<int>> args, RaggedTile tile)
    {
        int t = Group.IdxX, lane = t % 32;
        int i = tile.Row + (t / 128 * 64) + (t / 32 % 4 * 16) + (lane / 4), j = tile.Column + (lane % 4 * 2);
        long c = args.C + (i * args.RowBytes) + ((long)j * args.ColumnBytes);
        if (args.Alpha != 1)
        {
            CudaAsm.Emit("peft.scale %0;", args.Alpha);
        }

        if (args.Accumulate != 0)
        {
            CudaAsm.Emit("peft.add %0, %1, %2, %3, %4;", c, tile.End - i, args.N - j, 8 * args.RowBytes, args.ColumnBytes);
        }

        CudaAsm.Emit("peft.store %0, %1, %2, %3, %4;", c, tile.End - i, args.N - j, 8 * args.RowBytes, args.ColumnBytes);
    }
}

/// <summary>The tile scheduler: tiles of one expert after the other, down the rows first, so that neighbouring thread blocks share a panel
/// of the expert's matrix; a thread block takes every (number of blocks)-th tile, and finds its expert by walking over the
/// offsets.</summary>
internal struct RaggedTile
{
    /// <summary>The expert; the number of experts after the last tile.</summary>
    public int Expert;

    /// <summary>The tile's first row, the end of the expert's rows, and the tile's first column.</summary>
    public int Row, End, Column;

    private int _tile, _before, _start, _rows;

    public static RaggedTile First(WgmmaRaggedArgs<ArrayView<int>> args)
    {
        var tile = new RaggedTile { End = args.Offsets[1], _tile = Grid.IdxX, _start = args.Offsets[0] };
        tile._rows = (tile.End - tile._start + GemmShape.TileM - 1) / GemmShape.TileM;
        return Find(args, tile);
    }

    public static RaggedTile Then(WgmmaRaggedArgs<ArrayView<int>> args, RaggedTile tile)
    {
        tile._tile += Grid.DimX;
        return Find(args, tile);
    }

    // No branch in the loop's body: ILGPU writes the loop's variables before a branch to its head, also for the other way, so that an
    // index there would be that of the next expert.
    private static RaggedTile Find(WgmmaRaggedArgs<ArrayView<int>> args, RaggedTile tile)
    {
        while (tile.Expert < args.Experts && tile._tile >= tile._before + (tile._rows * args.TilesN))
        {
            tile._before += tile._rows * args.TilesN;
            tile.Expert++;
            tile._start = tile.End;
            tile.End = args.Offsets[tile.Expert < args.Experts ? tile.Expert + 1 : args.Experts]; // After the last, no rows.
            tile._rows = (tile.End - tile._start + GemmShape.TileM - 1) / GemmShape.TileM;
        }

        int local = tile._tile - tile._before, rows = tile._rows > 0 ? tile._rows : 1;
        tile.Row = tile._start + (local % rows * GemmShape.TileM);
        tile.Column = local / rows * args.TileN;
        return tile;
    }
}
