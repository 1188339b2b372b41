using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>Attention on Hopper's tensor cores, after FlashAttention-3 (Shah et al. 2024): one warpgroup copies, the others each take 64 queries
/// of one head and walk the keys they see from the last to the first. The next scores are computed while the softmax of the last goes on, and
/// the warpgroups take turns on the tensor cores.</summary>
internal readonly struct FlashForward<TDim> : IKernel<FlashArgs<ArrayView<int>>> where TDim : struct, IFlashDim
{
    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.BeginForward();
        ArrayView<int> items = SharedMemory.Allocate<int>(2);
        FlashGeometry tiles = FlashGeometry.Forward(TDim.Dim);
        FlashRoles.MakeBarriers(tiles, 1);
        if (Group.IdxX < 128)
        {
            CudaAsm.Emit("peft.registers.copy;");
            if (Group.IdxX < 32)
            {
                Copy(args, tiles, items);
            }
        }
        else
        {
            CudaAsm.Emit("peft.registers.compute;");
            Compute(args, tiles, items, (Group.IdxX / 128) - 1);
        }
    }

    private static void Copy(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> items)
    {
        FlashRing set = default, ring = default;
        int number = Grid.IdxX;
        for (; number < args.Items; number = FlashItem.Next(args.Counters))
        {
            FlashItem item = FlashItem.Of(args, number, args.Heads, 1);
            int query = item.Tile * tiles.Rows, keyHead = item.Head / (args.Heads / args.KeyHeads);
            FlashSpan span = FlashSpan.Of(args, item.B, query, tiles.Rows);
            FlashRoles.Offer(items, set, number);
            CudaAsm.Emit("peft.expect %0, %1;", FlashGeometry.SetFull + set.Stage, tiles.KeptBytes);
            CudaAsm.Emit("peft.fetch.kept0 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 0), FlashGeometry.SetFull + set.Stage, item.Head, query, item.B);
            set = FlashRing.Next(set, tiles.Sets);
            int first = span.First / tiles.Columns * tiles.Columns;
            for (int key = (span.Last - 1) / tiles.Columns * tiles.Columns; key >= first && span.Last > span.First; key -= tiles.Columns)
            {
                FlashRoles.Await(FlashGeometry.FirstEmpty + ring.Stage, ring.Phase ^ 1);
                CudaAsm.Emit("peft.expect %0, %1;", FlashGeometry.FirstFull + ring.Stage, tiles.PassingBytes);
                CudaAsm.Emit("peft.fetch.passing0 %0, %1, %2, %3, %4;",
                    tiles.PassingAt(ring.Stage, 0), FlashGeometry.FirstFull + ring.Stage, keyHead, key, item.B);
                FlashRoles.Await(FlashGeometry.SecondEmpty + ring.Stage, ring.Phase ^ 1);
                CudaAsm.Emit("peft.expect %0, %1;", FlashGeometry.SecondFull + ring.Stage, tiles.PassingBytes);
                CudaAsm.Emit("peft.fetch.passing1 %0, %1, %2, %3, %4;",
                    tiles.PassingAt(ring.Stage, 1), FlashGeometry.SecondFull + ring.Stage, keyHead, key, item.B);
                ring = FlashRing.Next(ring, tiles.Stages);
            }
        }

        FlashRoles.Offer(items, set, number);
        FlashRoles.Release(FlashGeometry.SetFull + set.Stage);
        if (Group.IdxX == 0)
        {
            FlashItem.Finish(args.Counters);
        }
    }

    private static void Compute(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> items, int warpgroup)
    {
        FlashRing set = default, keys = default;
        int lane = Group.IdxX % 32, rows = warpgroup * FlashGeometry.WarpgroupRows * 128;
        FlashRoles.BeginTurns(tiles, warpgroup);
        for (int number = FlashRoles.Take(items, set); number < args.Items; number = FlashRoles.Take(items, set))
        {
            FlashItem item = FlashItem.Of(args, number, args.Heads, 1);
            int query = item.Tile * tiles.Rows, own = query + (warpgroup * FlashGeometry.WarpgroupRows);
            int row0 = own + (Group.IdxX / 32 % 4 * 16) + (lane / 4), row1 = row0 + 8;
            FlashSpan span = FlashSpan.Of(args, item.B, query, tiles.Rows), seen = FlashSpan.Of(args, item.B, own, FlashGeometry.WarpgroupRows);

            int q = tiles.KeptAt(set.Stage, 0) + rows, first = span.First / tiles.Columns * tiles.Columns;
            int key = (span.Last - 1) / tiles.Columns * tiles.Columns, column = lane % 4 * 2;
            CudaAsm.Emit("peft.restart;");
            int last = key;
            // Keys that only warpgroups of later queries see.
            for (; key >= first && key >= seen.Last && span.Last > span.First; key -= tiles.Columns)
            {
                FlashRoles.Await(FlashGeometry.SecondFull + keys.Stage, keys.Phase);
                if (key < last)
                {
                    FlashRoles.AwaitTurn(tiles, warpgroup);
                    FlashRoles.PassTurn(tiles, warpgroup);
                }

                FlashRoles.Release(FlashGeometry.FirstEmpty + keys.Stage);
                FlashRoles.Release(FlashGeometry.SecondEmpty + keys.Stage);
                keys = FlashRing.Next(keys, tiles.Stages);
            }

            if (key >= first && span.Last > span.First)
            {
                FlashRoles.Await(FlashGeometry.FirstFull + keys.Stage, keys.Phase);
                if (key < last)
                {
                    FlashRoles.AwaitTurn(tiles, warpgroup);
                    FlashRoles.PassTurn(tiles, warpgroup);
                }

                CudaAsm.Emit("peft.scores.s %0, %1;", q, tiles.PassingAt(keys.Stage, 0));
                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(FlashGeometry.FirstEmpty + keys.Stage);
                if (seen.Cuts(key, tiles.Columns))
                {
                    FlashRoles.MaskRows(args, item.B, row0, key + column);
                }

                CudaAsm.Emit("peft.softmax %0;", args.ScaleLog2);
                CudaAsm.Emit("peft.pack.p.s;");
                FlashRing values = keys;
                keys = FlashRing.Next(keys, tiles.Stages);
                for (key -= tiles.Columns; key >= first; key -= tiles.Columns)
                {
                    FlashRoles.Await(FlashGeometry.FirstFull + keys.Stage, keys.Phase);
                    FlashRoles.AwaitTurn(tiles, warpgroup);
                    CudaAsm.Emit("peft.scores.s %0, %1;", q, tiles.PassingAt(keys.Stage, 0));
                    FlashRoles.Await(FlashGeometry.SecondFull + values.Stage, values.Phase);
                    CudaAsm.Emit("peft.combine.p.o %0;", tiles.PassingAt(values.Stage, 1));
                    FlashRoles.PassTurn(tiles, warpgroup);
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                    FlashRoles.Release(FlashGeometry.FirstEmpty + keys.Stage);
                    if (seen.Cuts(key, tiles.Columns))
                    {
                        FlashRoles.MaskRows(args, item.B, row0, key + column);
                    }

                    CudaAsm.Emit("peft.softmax %0;", args.ScaleLog2);
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                    FlashRoles.Release(FlashGeometry.SecondEmpty + values.Stage);
                    CudaAsm.Emit("peft.rescale;");
                    CudaAsm.Emit("peft.pack.p.s;");
                    values = keys;
                    keys = FlashRing.Next(keys, tiles.Stages);
                }

                FlashRoles.Await(FlashGeometry.SecondFull + values.Stage, values.Phase);
                CudaAsm.Emit("peft.combine.p.o %0;", tiles.PassingAt(values.Stage, 1));
                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(FlashGeometry.SecondEmpty + values.Stage);
            }

            long lse = args.Lse + (4 * ((((long)item.B * args.Heads) + item.Head) * args.Queries));
            CudaAsm.Emit("peft.finish %0, %1, %2, %3, %4;", lse + (4L * row0), lse + (4L * row1),
                row0 < args.Queries ? 1 : 0, row1 < args.Queries ? 1 : 0, args.ScaleLog2);
            // The output takes the place of the warpgroup's own queries.
            FlashRoles.WarpgroupBarrier(warpgroup);
            CudaAsm.Emit("peft.stage.o %0;", q);
            FlashRoles.WarpgroupBarrier(warpgroup);
            CudaAsm.Emit("peft.send.result0 %0, %1, %2, %3, %4;", q, item.Head, own, item.B, 0);
            FlashRoles.ReleaseSet(set.Stage);
            set = FlashRing.Next(set, tiles.Sets);
        }
    }
}
