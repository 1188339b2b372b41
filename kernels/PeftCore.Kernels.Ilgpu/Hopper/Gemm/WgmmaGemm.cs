using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>C = α·Σ op(A)·op(B) (+ bias) (+ C) on Hopper's tensor cores. Thread blocks are persistent: a producer thread fills a ring of
/// stages through the copy engine, also while the two consumer warpgroups write a tile's results. The readable twin is
/// <see cref="Portable.Matrix.Gemm{TA, TB, TBlock}"/>; tests compare both with the CPU's product.</summary>
internal readonly struct WgmmaGemm<TMode> : IKernel<WgmmaArgs> where TMode : struct, IClusterMode
{
    public static void Run(WgmmaArgs args)
    {
        CudaAsm.Emit("peft.begin;");
        if (Group.IdxX >= 256)
        {
            CudaAsm.Emit("peft.setmaxnreg_dec;");
            if (Group.IdxX == 256)
            {
                Produce(args);
            }

            if (TMode.SplitsK)
            {
                CudaAsm.Emit("peft.cluster_sync;");
            }
        }
        else
        {
            CudaAsm.Emit("peft.setmaxnreg_inc;");
            Consume(args);
        }

        CudaAsm.Emit("peft.end;");
    }

    private static void Produce(WgmmaArgs args)
    {
        int stage = 0, round = 1, rank = Grid.IdxX % args.Cluster;
        var work = TMode.SplitsK ? TileScheduler.Only(args) : TileScheduler.First(args);
        var tile = WgmmaTile.Of<TMode>(args, work.Tile);
        CudaAsm.Emit("peft.griddep_wait;");
        while (work.To > 0)
        {
            int term = 0, begin = 0, end = EndOf(args, 0);
            for (int step = work.From; step < work.To; step++)
            {
                while (step >= end)
                {
                    term++;
                    begin = end;
                    end = EndOf(args, term);
                }

                CudaAsm.Emit("peft.wait_empty %0, %1;", stage, round);
                if (TMode.GathersPatches)
                {
                    LoadPatches(args.Patches, stage, step, tile, rank);
                }
                else
                {
                    CudaAsm.Emit("peft.load %0, %1, %2, %3, %4, %5;", stage, 2 * ((tile.Result * args.Terms) + term),
                        (step - begin) * GemmShape.Depth,
                        tile.Row, tile.Column, rank);
                }

                stage++;
                round = stage == args.Stages ? 1 - round : round;
                stage = stage == args.Stages ? 0 : stage;
            }

            work = TileScheduler.Then(args, work);
            tile = WgmmaTile.Of<TMode>(args, work.Tile);
        }
    }

    // A stage holds 64 channels of the patches at one kernel position.
    private static void LoadPatches(PatchExtents patches, int stage, int step, WgmmaTile tile, int rank)
    {
        var window = PatchWindow.Of(patches, tile.Row);
        int tap = step / patches.ChannelSteps, channel = (step - (tap * patches.ChannelSteps)) * GemmShape.Depth;
        int down = tap / patches.KernelWidth, across = tap - (down * patches.KernelWidth);
        CudaAsm.Emit("peft.load_patches %0, %1, %2, %3, %4, %5, %6, %7, %8;", stage, channel, window.Left, window.Top, window.Picture,
            (down * patches.DilationHeight * 65536) + (across * patches.DilationWidth),
            tile.Column + ((patches.Taps - 1 - tap) * patches.TapColumns), rank, (tap * patches.TapRows) + channel);
    }

    private static void Consume(WgmmaArgs args)
    {
        int stage = 0, round = 0;
        var work = TMode.SplitsK ? TileScheduler.Only(args) : TileScheduler.First(args);
        CudaAsm.Emit("peft.griddep_wait;");
        for (; work.To > 0; work = TileScheduler.Then(args, work))
        {
            int last = 0;
            WgmmaTile tile = default;
            for (int step = work.From; step < work.To; step++)
            {
                CudaAsm.Emit("peft.wait_full %0, %1;", stage, round);
                CudaAsm.Emit("peft.multiply %0, %1;", stage, step - work.From);
                if (step > work.From)
                {
                    CudaAsm.Emit("peft.release %0;", last);
                }
                else
                {
                    tile = WgmmaTile.Of<TMode>(args, work.Tile); // Computed while the first products run.
                }

                last = stage;
                stage++;
                round = stage == args.Stages ? 1 - round : round;
                stage = stage == args.Stages ? 0 : stage;
            }

            CudaAsm.Emit("peft.drain;");
            CudaAsm.Emit("peft.release %0;", last);
            if (TMode.SplitsK)
            {
                CudaAsm.Emit("peft.share_partial;");
                CudaAsm.Emit("peft.cluster_sync;");
                if (work.From == 0)
                {
                    for (int rank = 1; rank < args.Cluster; rank++)
                    {
                        CudaAsm.Emit("peft.reduce %0;", rank);
                    }

                    Finish(args, tile);
                }
            }
            else if (work.From > 0)
            {
                int block = Grid.IdxX;
                CudaAsm.Emit("peft.store_partial %0;", PartialOf(args, block));
                CudaAsm.Emit("peft.signal %0;", FlagOf(args, block));
            }
            else
            {
                if (work.To < args.Steps)
                {
                    Gather(args, work.Tile);
                }

                Finish(args, tile);
            }
        }
    }

    // The rest of this tile's stages are shares of the clusters before this one.
    private static void Gather(WgmmaArgs args, int tile)
    {
        int end = (tile + 1) * args.Steps, share = args.Clusters - (Grid.IdxX / args.Cluster), block = Grid.IdxX - args.Cluster;
        while (TileScheduler.Begin(args, share) < end)
        {
            CudaAsm.Emit("peft.add_partial %0, %1;", PartialOf(args, block), FlagOf(args, block));
            share++;
            block -= args.Cluster;
        }
    }

    private static void Finish(WgmmaArgs args, WgmmaTile tile)
    {
        int t = Group.IdxX, lane = t % 32, warpgroup = t / 128, r = tile.Result;
        int i = tile.Row + (warpgroup * 64) + (t / 32 % 4 * 16) + (lane / 4), j = tile.Column + (lane % 4 * 2);
        int columns = (r == 0 ? args.N0 : r == 1 ? args.N1 : r == 2 ? args.N2 : args.N3) - j;
        long row = r == 0 ? args.Row0 : r == 1 ? args.Row1 : r == 2 ? args.Row2 : args.Row3;
        long bias = r == 0 ? args.Bias0 : r == 1 ? args.Bias1 : r == 2 ? args.Bias2 : args.Bias3;
        long c = r == 0 ? args.C0 : r == 1 ? args.C1 : r == 2 ? args.C2 : args.C3;
        c += (i * row) + ((long)j * args.ColumnBytes);
        if (args.Alpha != 1)
        {
            CudaAsm.Emit("peft.scale %0;", args.Alpha);
        }

        if (bias != 0)
        {
            CudaAsm.Emit("peft.bias %0, %1, %2;", bias + (j * (args.Bf16Bias != 0 ? 2L : 4L)), columns, args.Bf16Bias);
        }

        if (args.Accumulate != 0)
        {
            CudaAsm.Emit("peft.add %0, %1, %2, %3, %4;", c, args.M - i, columns, 8 * row, args.ColumnBytes);
        }

        CudaAsm.Emit("peft.store %0, %1, %2, %3, %4, %5, %6, %7;", c, args.M - i, columns, 8 * row, args.ColumnBytes,
            GemmPtx.OperandMaps + r, tile.Column, tile.Row + (warpgroup * 64));
    }

    private static int EndOf(WgmmaArgs args, int term) =>
        term == 0 ? args.End0 : term == 1 ? args.End1 : term == 2 ? args.End2 : term == 3 ? args.End3
        : term == 4 ? args.End4 : term == 5 ? args.End5 : term == 6 ? args.End6 : args.Steps;

    private static long PartialOf(WgmmaArgs args, int block) =>
        args.Partials + ((long)block * GemmShape.TileM * args.TileN * 4) + (Group.IdxX / 128 * 64L * args.TileN * 4) +
        (Group.IdxX % 128 * 16L);

    private static long FlagOf(WgmmaArgs args, int block) => args.Flags + (8L * block) + (Group.IdxX / 128 * 4);
}
