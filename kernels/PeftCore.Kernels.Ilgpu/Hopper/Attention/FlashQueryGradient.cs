using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>dQ = scale·dS·K on Hopper's tensor cores: warpgroups each keep 64 queries of one head, with dO, and iterate over the keys that
/// these attend to. The readable twin is <see cref="Portable.Attention.AttentionQueryGradient{TBlock, TElement}"/>; tests compare both with
/// the CPU's gradients.</summary>
internal readonly struct FlashQueryGradient<TDim, TTerms> : IKernel<FlashArgs<ArrayView<int>>>
    where TDim : struct, IFlashDim
    where TTerms : struct, IFlashTerms
{
    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.BeginQueryGradient();
        TTerms.Begin();
        var workTiles = SharedMemory.Allocate<int>(2);
        var tiles = FlashGeometry.QueryGradient(TDim.Dim);
        FlashRoles.MakeBarriers(tiles, 1);
        if (Group.IdxX < 128)
        {
            CudaAsm.Emit("peft.registers.copy;");
            if (Group.IdxX < 32)
            {
                Copy(args, tiles, workTiles);
            }
        }
        else
        {
            CudaAsm.Emit("peft.registers.compute;");
            Compute(args, tiles, workTiles, (Group.IdxX / 128) - 1);
        }
    }

    private static void Copy(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> workTiles)
    {
        PipelineState set = default, pipe = default;
        int number = Grid.IdxX;
        for (; number < args.WorkTiles; number = WorkTile.Next(args.Counters))
        {
            var work = WorkTile.Of(args, number, args.Heads, 1);
            int query = work.Index * tiles.Rows, keyHead = work.Head / (args.Heads / args.KeyHeads),
                full = FlashGeometry.SetFull + set.Stage;
            var range = KvRange.Of(args, work.B, query, tiles.Rows);
            FlashRoles.Offer(workTiles, set, number);
            CudaAsm.Emit("peft.expect %0, %1;", full, 2 * tiles.KeptBytes);
            CudaAsm.Emit("peft.fetch.kept0 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 0), full, work.Head, query, work.B);
            CudaAsm.Emit("peft.fetch.kept1 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 1), full, work.Head, query, work.B);
            set = PipelineState.Next(set, tiles.Sets);
            for (int key = range.First / tiles.Columns * tiles.Columns; key < range.Last; key += tiles.Columns)
            {
                full = FlashGeometry.FirstFull + pipe.Stage;
                FlashRoles.Await(FlashGeometry.FirstEmpty + pipe.Stage, pipe.Phase ^ 1);
                CudaAsm.Emit("peft.expect %0, %1;", full, 2 * tiles.PassingBytes);
                CudaAsm.Emit("peft.fetch.passing0 %0, %1, %2, %3, %4;", tiles.PassingAt(pipe.Stage, 0), full, keyHead, key, work.B);
                CudaAsm.Emit("peft.fetch.passing1 %0, %1, %2, %3, %4;", tiles.PassingAt(pipe.Stage, 1), full, keyHead, key, work.B);
                pipe = PipelineState.Next(pipe, tiles.Stages);
            }
        }

        FlashRoles.Offer(workTiles, set, number);
        FlashRoles.Release(FlashGeometry.SetFull + set.Stage);
        if (Group.IdxX == 0)
        {
            WorkTile.Finish(args.Counters);
        }
    }

    private static void Compute(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> workTiles, int warpgroup)
    {
        PipelineState set = default, pipe = default;
        int lane = Group.IdxX % 32, rows = warpgroup * FlashGeometry.WarpgroupRows * 128, column = lane % 4 * 2;
        FlashRoles.InitSchedulerBarrier(tiles, warpgroup);
        for (int number = FlashRoles.Take(workTiles, set); number < args.WorkTiles; number = FlashRoles.Take(workTiles, set))
        {
            var work = WorkTile.Of(args, number, args.Heads, 1);
            int query = work.Index * tiles.Rows, own = query + (warpgroup * FlashGeometry.WarpgroupRows);
            int row0 = own + (Group.IdxX / 32 % 4 * 16) + (lane / 4), row1 = row0 + 8;
            KvRange range = KvRange.Of(args, work.B, query, tiles.Rows), seen = KvRange.Of(args, work.B, own, FlashGeometry.WarpgroupRows);
            long stats = 4 * ((((long)work.B * args.Heads) + work.Head) * args.Queries);
            CudaAsm.Emit("peft.rowstats %0, %1, %2, %3, %4, %5;", args.Lse + stats + (4L * row0), args.Lse + stats + (4L * row1),
                args.Delta + stats + (4L * row0), args.Delta + stats + (4L * row1), row0 < args.Queries ? 1 : 0, row1 < args.Queries ? 1
                : 0);

            int q = tiles.KeptAt(set.Stage, 0) + rows, dO = tiles.KeptAt(set.Stage, 1) + rows;
            CudaAsm.Emit("peft.clear.o;");
            int key = range.First / tiles.Columns * tiles.Columns, before = -1;
            if (key < seen.Last)
            {
                FlashRoles.Await(FlashGeometry.FirstFull + pipe.Stage, pipe.Phase);
                CudaAsm.Emit("peft.scores.s %0, %1;", q, tiles.PassingAt(pipe.Stage, 0));
                while (true)
                {
                    CudaAsm.Emit("peft.scores.g %0, %1;", dO, tiles.PassingAt(pipe.Stage, 1));
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                    if (before >= 0)
                    {
                        FlashRoles.Release(before);
                    }

                    FlashRoles.SchedulerBarrierSync(tiles, warpgroup);
                    if (TTerms.Any)
                    {
                        CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                        FlashTerms.AddToRows(args, work.B, work.Head, row0, key + column);
                    }

                    if (seen.Cuts(key, tiles.Columns))
                    {
                        FlashRoles.MaskRows(args, work.B, row0, key + column);
                    }

                    if (TTerms.Any)
                    {
                        FlashTerms.RowWeights(args);
                        FlashTerms.RowSlopes(args, work.B, work.Head, row0, key + column, tiles.Columns);
                        FlashTerms.AddBiasGradient(args, work.B, work.Head, row0, key + column);
                    }
                    else
                    {
                        CudaAsm.Emit("peft.rowweights %0;", args.ScaleLog2);
                        CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                        CudaAsm.Emit("peft.rowslopes;");
                    }

                    CudaAsm.Emit("peft.pack.p.s;");
                    CudaAsm.Emit("peft.combine.p.o %0;", tiles.PassingAt(pipe.Stage, 0));
                    before = FlashGeometry.FirstEmpty + pipe.Stage;
                    pipe = PipelineState.Next(pipe, tiles.Stages);
                    key += tiles.Columns;
                    if (key >= seen.Last)
                    {
                        FlashRoles.SchedulerBarrierArrive(tiles, warpgroup);
                        break;
                    }

                    FlashRoles.Await(FlashGeometry.FirstFull + pipe.Stage, pipe.Phase);
                    CudaAsm.Emit("peft.scores.s %0, %1;", q, tiles.PassingAt(pipe.Stage, 0));
                    FlashRoles.SchedulerBarrierArrive(tiles, warpgroup);
                }

                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(before);
            }

            // Skip keys that only other warpgroups' later queries attend to.
            for (; key < range.Last; key += tiles.Columns)
            {
                FlashRoles.Await(FlashGeometry.FirstFull + pipe.Stage, pipe.Phase);
                FlashRoles.SchedulerBarrierSync(tiles, warpgroup);
                FlashRoles.SchedulerBarrierArrive(tiles, warpgroup);
                FlashRoles.Release(FlashGeometry.FirstEmpty + pipe.Stage);
                pipe = PipelineState.Next(pipe, tiles.Stages);
            }

            // The gradient overwrites the warpgroup's own queries in shared memory.
            CudaAsm.Emit("peft.factor %0;", args.Scale);
            FlashRoles.WarpgroupBarrier(warpgroup);
            CudaAsm.Emit("peft.stage.o %0;", q);
            FlashRoles.WarpgroupBarrier(warpgroup);
            CudaAsm.Emit("peft.send.result0 %0, %1, %2, %3, %4;", q, work.Head, own, work.B, args.Add0);
            FlashRoles.ReleaseSet(set.Stage);
            set = PipelineState.Next(set, tiles.Sets);
        }
    }
}
