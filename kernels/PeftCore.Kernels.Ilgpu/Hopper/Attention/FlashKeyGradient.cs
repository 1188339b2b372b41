using ILGPU;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu.Vectorized;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>dK = scale·dSᵀ·Q and dV = Pᵀ·dO on Hopper's tensor cores: warpgroups each keep 64 keys and values of one key head, and walk
/// the queries of the heads that share it. Each element has one writer, so no atomics: where too few key heads would leave processors idle,
/// their query heads are cut into splits, and <see cref="AttentionSplitsBf16x8"/> adds up the gradients of the splits. The readable twin is
/// <see cref="Portable.Attention.AttentionKeyGradient{TBlock, TElement}"/>; tests hold both to the CPU's gradients.</summary>
internal readonly struct FlashKeyGradient<TDim, TTerms> : IKernel<FlashArgs<ArrayView<int>>>
    where TDim : struct, IFlashKeys
    where TTerms : struct, IFlashTerms
{
    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.BeginKeyGradient();
        TTerms.Begin();
        // For each stage its kind, and with terms the head and the first query.
        var kinds = SharedMemory.Allocate<int>(TTerms.Any ? 12 : 4);
        var workTiles = SharedMemory.Allocate<int>(2);
        var tiles = TDim.Keys ? FlashGeometry.KeyGradient(TDim.Dim, TTerms.Any) : FlashGeometry.ValueGradient(TDim.Dim);
        FlashRoles.MakeBarriers(tiles, 33); // 32 lanes that write the row statistics, and the copy engine.
        if (Group.IdxX < 128)
        {
            CudaAsm.Emit("peft.registers.copy;");
            if (Group.IdxX < 32)
            {
                Copy(args, tiles, kinds, workTiles);
            }
        }
        else
        {
            CudaAsm.Emit("peft.registers.compute;");
            Compute(args, tiles, kinds, workTiles, (Group.IdxX / 128) - 1);
        }
    }

    private static void Copy(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> kinds, ArrayView<int> workTiles)
    {
        PipelineState set = default, pipe = default;
        int group = args.Heads / (args.KeyHeads * args.Splits);
        int number = Grid.IdxX;
        for (; number < args.WorkTiles; number = WorkTile.Next(args.Counters))
        {
            var work = WorkTile.Of(args, number, args.KeyHeads * args.Splits, 0);
            int key = work.Index * tiles.Rows, keyHead = work.Head / args.Splits, full = FlashGeometry.SetFull + set.Stage;
            FlashRoles.Offer(workTiles, set, number);
            CudaAsm.Emit("peft.expect %0, %1;", full, tiles.Kept * tiles.KeptBytes);
            CudaAsm.Emit("peft.fetch.kept0 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 0), full, keyHead, key, work.B);
            if (TDim.Keys)
            {
                CudaAsm.Emit("peft.fetch.kept1 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 1), full, keyHead, key, work.B);
            }

            set = PipelineState.Next(set, tiles.Sets);

            // With a causal mask, queries before the first key attend to none of these keys.
            int start = args.HasRanges != 0 ? 0 : key - (args.Keys - args.Queries);
            start = start > 0 ? start / tiles.Columns * tiles.Columns : 0;
            for (int h = work.Head * group; h < (work.Head + 1) * group; h++)
            {
                for (int query = start; query < args.Queries; query += tiles.Columns)
                {
                    var range = KvRange.Of(args, work.B, query, tiles.Columns);
                    if (range.First < key + tiles.Rows && range.Last > key)
                    {
                        FlashRoles.Await(FlashGeometry.FirstEmpty + pipe.Stage, pipe.Phase ^ 1);
                        full = FlashGeometry.FirstFull + pipe.Stage;
                        CudaAsm.Emit("peft.expect %0, %1;", full, 2 * tiles.PassingBytes);
                        CudaAsm.Emit("peft.fetch.passing0 %0, %1, %2, %3, %4;", tiles.PassingAt(pipe.Stage, 0), full, h, query, work.B);
                        CudaAsm.Emit("peft.fetch.passing1 %0, %1, %2, %3, %4;", tiles.PassingAt(pipe.Stage, 1), full, h, query, work.B);
                        WriteRowStats(args, tiles, work.B, h, query, tiles.RowStatsAt(pipe.Stage));
                        kinds[pipe.Stage] = FlashTileKind.Of(tiles, range, key, args.Keys);
                        if (TTerms.Any)
                        {
                            kinds[pipe.Stage + 4] = h;
                            kinds[pipe.Stage + 8] = query;
                        }

                        CudaAsm.Emit("peft.arrive.all %0;", full);
                        pipe = PipelineState.Next(pipe, tiles.Stages);
                    }
                }
            }

            FlashRoles.Await(FlashGeometry.FirstEmpty + pipe.Stage, pipe.Phase ^ 1);
            kinds[pipe.Stage] = FlashTileKind.End;
            FlashRoles.Release(FlashGeometry.FirstFull + pipe.Stage);
            CudaAsm.Emit("peft.arrive.all %0;", FlashGeometry.FirstFull + pipe.Stage);
            pipe = PipelineState.Next(pipe, tiles.Stages);
        }

        FlashRoles.Offer(workTiles, set, number);
        FlashRoles.Release(FlashGeometry.SetFull + set.Stage);
        if (Group.IdxX == 0)
        {
            WorkTile.Finish(args.Counters);
        }
    }

    private static void WriteRowStats(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, int b, int h, int query, int shared)
    {
        long stats = 4 * ((((long)b * args.Heads) + h) * args.Queries);
        for (int c = Group.IdxX; c < tiles.Columns; c += 32)
        {
            int i = query + c;
            int from = Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, i);
            int to = Mask.To(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, i);
            CudaAsm.Emit("peft.columnstats %0, %1, %2, %3, %4, %5;",
                shared + (4 * c), args.Lse + stats + (4L * i), args.Delta + stats + (4L * i), i < args.Queries ? 1 : 0, from, to);
        }
    }

    private static void Compute(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> kinds, ArrayView<int> workTiles,
        int warpgroup)
    {
        PipelineState set = default, pipe = default;
        int lane = Group.IdxX % 32, rows = warpgroup * FlashGeometry.WarpgroupRows * 128, column = lane % 4 * 8;
        for (int number = FlashRoles.Take(workTiles, set); number < args.WorkTiles; number = FlashRoles.Take(workTiles, set))
        {
            var work = WorkTile.Of(args, number, args.KeyHeads * args.Splits, 0);
            int own = (work.Index * tiles.Rows) + (warpgroup * FlashGeometry.WarpgroupRows);
            int k = tiles.KeptAt(set.Stage, 0) + rows, v = tiles.KeptAt(set.Stage, tiles.Kept - 1) + rows, before = -1;
            Clear();
            pipe = FlashTileKind.Seek(tiles, kinds, pipe, warpgroup);
            int kind = kinds[pipe.Stage];
            if (kind != FlashTileKind.End)
            {
                CudaAsm.Emit("peft.scores.s %0, %1;", k, tiles.PassingAt(pipe.Stage, 0));
                while (true)
                {
                    int stats = tiles.RowStatsAt(pipe.Stage) + column;
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                    if (before >= 0)
                    {
                        FlashRoles.Release(before);
                    }

                    if (TDim.Keys)
                    {
                        CudaAsm.Emit("peft.scores.g %0, %1;", v, tiles.PassingAt(pipe.Stage, 1));
                        if (TTerms.Any)
                        {
                            CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                        }
                        else
                        {
                            CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                        }
                    }
                    else
                    {
                        CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                    }

                    if (TTerms.Any)
                    {
                        FlashTerms.AddToColumns(args, work.B, kinds[pipe.Stage + 4], kinds[pipe.Stage + 8] + (lane % 4 * 2),
                            RowOf(own, lane));
                    }

                    if ((kind & FlashTileKind.Cut) != 0)
                    {
                        int row = RowOf(own, lane);
                        CudaAsm.Emit("peft.columnmask %0, %1, %2;", stats, row, row + 8);
                    }

                    if (TTerms.Any && TDim.Keys)
                    {
                        FlashTerms.ColumnGradients(args, tiles, stats, work.B, kinds[pipe.Stage + 4],
                            kinds[pipe.Stage + 8] + (lane % 4 * 2), RowOf(own, lane));
                        CombineBoth(tiles, pipe);
                    }
                    else
                    {
                        CudaAsm.Emit("peft.columnweights %0, %1;", stats, args.ScaleLog2);
                        if (TTerms.Any)
                        {
                            FlashTerms.DropColumns(args, work.B, kinds[pipe.Stage + 4], kinds[pipe.Stage + 8] + (lane % 4 * 2),
                                RowOf(own, lane), tiles.Columns);
                        }

                        Combine(tiles, pipe, stats);
                    }

                    before = FlashGeometry.FirstEmpty + pipe.Stage;
                    pipe = PipelineState.Next(pipe, tiles.Stages);
                    FlashRoles.Await(FlashGeometry.FirstFull + pipe.Stage, pipe.Phase);
                    kind = kinds[pipe.Stage];
                    if (kind == FlashTileKind.End)
                    {
                        break;
                    }

                    CudaAsm.Emit("peft.scores.s %0, %1;", k, tiles.PassingAt(pipe.Stage, 0));
                }

                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(before);
            }

            FlashRoles.Release(FlashGeometry.FirstEmpty + pipe.Stage);
            pipe = PipelineState.Next(pipe, tiles.Stages);

            // The gradients overwrite the warpgroup's own keys and values in shared memory.
            FlashRoles.WarpgroupBarrier(warpgroup);
            if (TDim.Keys)
            {
                CudaAsm.Emit("peft.factor %0;", args.Scale);
                CudaAsm.Emit("peft.stage.o %0;", k);
            }

            if (TDim.Values)
            {
                CudaAsm.Emit("peft.factor %0;", 1f);
                CudaAsm.Emit("peft.stage.v %0;", v);
            }

            FlashRoles.WarpgroupBarrier(warpgroup);
            if (TDim.Keys)
            {
                CudaAsm.Emit("peft.send.result0 %0, %1, %2, %3, %4;", k, work.Head, own, work.B, args.Add0);
            }

            if (TDim.Values)
            {
                CudaAsm.Emit("peft.send.result1 %0, %1, %2, %3, %4;", v, work.Head, own, work.B, args.Add1);
            }

            FlashRoles.ReleaseSet(set.Stage);
            set = PipelineState.Next(set, tiles.Sets);
        }
    }

    // The thread's first key.
    private static int RowOf(int own, int lane) => own + (Group.IdxX / 32 % 4 * 16) + (lane / 4);

    private static void Clear()
    {
        if (TDim.Keys)
        {
            CudaAsm.Emit("peft.clear.o;");
        }

        if (TDim.Values)
        {
            CudaAsm.Emit("peft.clear.v;");
        }
    }

    private static void Combine(FlashGeometry tiles, PipelineState pipe, int stats)
    {
        if (TDim.Keys)
        {
            CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
            CudaAsm.Emit("peft.columnslopes %0;", stats);
        }
        else
        {
            CudaAsm.Emit("peft.pack.p.s;");
        }

        CombineBoth(tiles, pipe);
    }

    private static void CombineBoth(FlashGeometry tiles, PipelineState pipe)
    {
        if (TDim.Values)
        {
            CudaAsm.Emit("peft.combine.p.v %0;", tiles.PassingAt(pipe.Stage, 1));
        }

        if (TDim.Keys)
        {
            CudaAsm.Emit("peft.combine.w.o %0;", tiles.PassingAt(pipe.Stage, 0));
        }
    }
}
