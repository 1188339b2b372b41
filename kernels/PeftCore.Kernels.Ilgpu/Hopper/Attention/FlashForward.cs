using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>Attention on Hopper's tensor cores, after FlashAttention-3 (Shah et al. 2024): one warpgroup copies, the others each take 64
/// queries of one head and iterate over the keys that these attend to, from the last to the first. The scores of the next keys are computed
/// during the softmax of the current ones, and the warpgroups alternate on the tensor cores. The readable twin is
/// <see cref="Portable.Attention.AttentionForward{TBlock, TElement}"/>; tests compare both with the CPU's attention.</summary>
internal readonly struct FlashForward<TDim, TTerms> : IKernel<FlashArgs<ArrayView<int>>>
    where TDim : struct, IFlashDim
    where TTerms : struct, IFlashTerms
{
    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.BeginForward();
        TTerms.Begin();
        var workTiles = SharedMemory.Allocate<int>(2);
        var tiles = FlashGeometry.Forward(TDim.Dim);
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
            int query = work.Index * tiles.Rows, keyHead = work.Head / (args.Heads / args.KeyHeads);
            var range = KvRange.Of(args, work.B, query, tiles.Rows);
            FlashRoles.Offer(workTiles, set, number);
            CudaAsm.Emit("peft.expect %0, %1;", FlashGeometry.SetFull + set.Stage, tiles.KeptBytes);
            CudaAsm.Emit("peft.fetch.kept0 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 0), FlashGeometry.SetFull + set.Stage, work.Head,
                query, work.B);
            set = PipelineState.Next(set, tiles.Sets);
            int first = range.First / tiles.Columns * tiles.Columns;
            for (int key = (range.Last - 1) / tiles.Columns * tiles.Columns; key >= first && range.Last > range.First; key -= tiles.Columns)
            {
                FlashRoles.Await(FlashGeometry.FirstEmpty + pipe.Stage, pipe.Phase ^ 1);
                CudaAsm.Emit("peft.expect %0, %1;", FlashGeometry.FirstFull + pipe.Stage, tiles.PassingBytes);
                CudaAsm.Emit("peft.fetch.passing0 %0, %1, %2, %3, %4;",
                    tiles.PassingAt(pipe.Stage, 0), FlashGeometry.FirstFull + pipe.Stage, keyHead, key, work.B);
                FlashRoles.Await(FlashGeometry.SecondEmpty + pipe.Stage, pipe.Phase ^ 1);
                CudaAsm.Emit("peft.expect %0, %1;", FlashGeometry.SecondFull + pipe.Stage, tiles.PassingBytes);
                CudaAsm.Emit("peft.fetch.passing1 %0, %1, %2, %3, %4;",
                    tiles.PassingAt(pipe.Stage, 1), FlashGeometry.SecondFull + pipe.Stage, keyHead, key, work.B);
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
        PipelineState set = default, keys = default;
        int lane = Group.IdxX % 32, rows = warpgroup * FlashGeometry.WarpgroupRows * 128;
        FlashRoles.InitSchedulerBarrier(tiles, warpgroup);
        for (int number = FlashRoles.Take(workTiles, set); number < args.WorkTiles; number = FlashRoles.Take(workTiles, set))
        {
            var work = WorkTile.Of(args, number, args.Heads, 1);
            int query = work.Index * tiles.Rows, own = query + (warpgroup * FlashGeometry.WarpgroupRows);
            int row0 = own + (Group.IdxX / 32 % 4 * 16) + (lane / 4), row1 = row0 + 8;
            KvRange range = KvRange.Of(args, work.B, query, tiles.Rows), seen = KvRange.Of(args, work.B, own, FlashGeometry.WarpgroupRows);

            int q = tiles.KeptAt(set.Stage, 0) + rows, first = range.First / tiles.Columns * tiles.Columns;
            int key = (range.Last - 1) / tiles.Columns * tiles.Columns, column = lane % 4 * 2;
            CudaAsm.Emit("peft.restart;");
            int last = key;
            // Skip keys that only other warpgroups' later queries attend to.
            for (; key >= first && key >= seen.Last && range.Last > range.First; key -= tiles.Columns)
            {
                FlashRoles.Await(FlashGeometry.SecondFull + keys.Stage, keys.Phase);
                if (key < last)
                {
                    FlashRoles.SchedulerBarrierSync(tiles, warpgroup);
                    FlashRoles.SchedulerBarrierArrive(tiles, warpgroup);
                }

                FlashRoles.Release(FlashGeometry.FirstEmpty + keys.Stage);
                FlashRoles.Release(FlashGeometry.SecondEmpty + keys.Stage);
                keys = PipelineState.Next(keys, tiles.Stages);
            }

            if (key >= first && range.Last > range.First)
            {
                FlashRoles.Await(FlashGeometry.FirstFull + keys.Stage, keys.Phase);
                if (key < last)
                {
                    FlashRoles.SchedulerBarrierSync(tiles, warpgroup);
                    FlashRoles.SchedulerBarrierArrive(tiles, warpgroup);
                }

                CudaAsm.Emit("peft.scores.s %0, %1;", q, tiles.PassingAt(keys.Stage, 0));
                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(FlashGeometry.FirstEmpty + keys.Stage);
                if (TTerms.Any)
                {
                    FlashTerms.AddToRows(args, work.B, work.Head, row0, key + column);
                }

                if (seen.Cuts(key, tiles.Columns))
                {
                    FlashRoles.MaskRows(args, work.B, row0, key + column);
                }

                CudaAsm.Emit("peft.softmax %0;", args.ScaleLog2);
                if (TTerms.Any)
                {
                    FlashTerms.DropRows(args, work.B, work.Head, row0, key + column, tiles.Columns);
                }

                CudaAsm.Emit("peft.pack.p.s;");
                var values = keys;
                keys = PipelineState.Next(keys, tiles.Stages);
                for (key -= tiles.Columns; key >= first; key -= tiles.Columns)
                {
                    FlashRoles.Await(FlashGeometry.FirstFull + keys.Stage, keys.Phase);
                    FlashRoles.SchedulerBarrierSync(tiles, warpgroup);
                    CudaAsm.Emit("peft.scores.s %0, %1;", q, tiles.PassingAt(keys.Stage, 0));
                    FlashRoles.Await(FlashGeometry.SecondFull + values.Stage, values.Phase);
                    CudaAsm.Emit("peft.combine.p.o %0;", tiles.PassingAt(values.Stage, 1));
                    FlashRoles.SchedulerBarrierArrive(tiles, warpgroup);
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                    FlashRoles.Release(FlashGeometry.FirstEmpty + keys.Stage);
                    if (TTerms.Any)
                    {
                        // The code of terms branches and loops, which the assembler wants no product to be in flight for.
                        CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                        FlashTerms.AddToRows(args, work.B, work.Head, row0, key + column);
                    }

                    if (seen.Cuts(key, tiles.Columns))
                    {
                        FlashRoles.MaskRows(args, work.B, row0, key + column);
                    }

                    CudaAsm.Emit("peft.softmax %0;", args.ScaleLog2);
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                    FlashRoles.Release(FlashGeometry.SecondEmpty + values.Stage);
                    CudaAsm.Emit("peft.rescale;");
                    if (TTerms.Any)
                    {
                        FlashTerms.DropRows(args, work.B, work.Head, row0, key + column, tiles.Columns);
                    }

                    CudaAsm.Emit("peft.pack.p.s;");
                    values = keys;
                    keys = PipelineState.Next(keys, tiles.Stages);
                }

                FlashRoles.Await(FlashGeometry.SecondFull + values.Stage, values.Phase);
                CudaAsm.Emit("peft.combine.p.o %0;", tiles.PassingAt(values.Stage, 1));
                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(FlashGeometry.SecondEmpty + values.Stage);
            }

            long lse = args.Lse + (4 * ((((long)work.B * args.Heads) + work.Head) * args.Queries));
            int here0 = row0 < args.Queries ? 1 : 0, here1 = row1 < args.Queries ? 1 : 0;
            if (TTerms.Any)
            {
                FlashTerms.Finish(args, work.Head, lse + (4L * row0), lse + (4L * row1), here0, here1);
            }
            else
            {
                CudaAsm.Emit("peft.finish %0, %1, %2, %3, %4;", lse + (4L * row0), lse + (4L * row1), here0, here1, args.ScaleLog2);
            }

            // The output overwrites the warpgroup's own queries in shared memory.
            FlashRoles.WarpgroupBarrier(warpgroup);
            CudaAsm.Emit("peft.stage.o %0;", q);
            FlashRoles.WarpgroupBarrier(warpgroup);
            CudaAsm.Emit("peft.send.result0 %0, %1, %2, %3, %4;", q, work.Head, own, work.B, 0);
            FlashRoles.ReleaseSet(set.Stage);
            set = PipelineState.Next(set, tiles.Sets);
        }
    }
}
