using ILGPU;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu.Vectorized;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>dK = scale·dSᵀ·Q and dV = Pᵀ·dO on Hopper's tensor cores: warpgroups each keep 64 keys of one key head, with their values, and walk
/// the queries of the heads that share it. One writer an element, so no atomics: where too few key heads would leave processors idle, their query
/// heads are cut into shares, and <see cref="AttentionShares8"/> adds up what comes of them.</summary>
internal readonly struct FlashKeyGradient<TDim> : IKernel<FlashArgs<ArrayView<int>>> where TDim : struct, IFlashKeys
{
    // What a tile of queries is to the group's keys, and from Unseen on, a bit a warpgroup, whether it is nothing to that warpgroup's.
    private const int Whole = 0, Cut = 1, End = 2, Unseen = 4;

    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.BeginKeyGradient();
        ArrayView<int> kinds = SharedMemory.Allocate<int>(4);
        ArrayView<int> items = SharedMemory.Allocate<int>(2);
        FlashGeometry tiles = TDim.Keys ? FlashGeometry.KeyGradient(TDim.Dim) : FlashGeometry.ValueGradient(TDim.Dim);
        FlashRoles.MakeBarriers(tiles, 33); // Every lane that writes numbers of the queries, and the copy engine.
        if (Group.IdxX < 128)
        {
            CudaAsm.Emit("peft.registers.copy;");
            if (Group.IdxX < 32)
            {
                Copy(args, tiles, kinds, items);
            }
        }
        else
        {
            CudaAsm.Emit("peft.registers.compute;");
            Compute(args, tiles, kinds, items, (Group.IdxX / 128) - 1);
        }
    }

    private static void Copy(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> kinds, ArrayView<int> items)
    {
        FlashRing set = default, ring = default;
        int group = args.Heads / (args.KeyHeads * args.Shares);
        int number = Grid.IdxX;
        for (; number < args.Items; number = FlashItem.Next(args.Counters))
        {
            FlashItem item = FlashItem.Of(args, number, args.KeyHeads * args.Shares, 0);
            int key = item.Tile * tiles.Rows, keyHead = item.Head / args.Shares, full = FlashGeometry.SetFull + set.Stage;
            FlashRoles.Offer(items, set, number);
            CudaAsm.Emit("peft.expect %0, %1;", full, tiles.Kept * tiles.KeptBytes);
            CudaAsm.Emit("peft.fetch.kept0 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 0), full, keyHead, key, item.B);
            if (TDim.Keys)
            {
                CudaAsm.Emit("peft.fetch.kept1 %0, %1, %2, %3, %4;", tiles.KeptAt(set.Stage, 1), full, keyHead, key, item.B);
            }

            set = FlashRing.Next(set, tiles.Sets);

            // Causal queries before the first key's own see nothing here.
            int start = args.HasRanges != 0 ? 0 : key - (args.Keys - args.Queries);
            start = start > 0 ? start / tiles.Columns * tiles.Columns : 0;
            for (int h = item.Head * group; h < (item.Head + 1) * group; h++)
            {
                for (int query = start; query < args.Queries; query += tiles.Columns)
                {
                    FlashSpan span = FlashSpan.Of(args, item.B, query, tiles.Columns);
                    if (span.First < key + tiles.Rows && span.Last > key)
                    {
                        FlashRoles.Await(FlashGeometry.FirstEmpty + ring.Stage, ring.Phase ^ 1);
                        full = FlashGeometry.FirstFull + ring.Stage;
                        CudaAsm.Emit("peft.expect %0, %1;", full, 2 * tiles.PassingBytes);
                        CudaAsm.Emit("peft.fetch.passing0 %0, %1, %2, %3, %4;", tiles.PassingAt(ring.Stage, 0), full, h, query, item.B);
                        CudaAsm.Emit("peft.fetch.passing1 %0, %1, %2, %3, %4;", tiles.PassingAt(ring.Stage, 1), full, h, query, item.B);
                        Describe(args, tiles, item.B, h, query, tiles.StatsAt(ring.Stage));
                        kinds[ring.Stage] = Kind(tiles, span, key, args.Keys);
                        CudaAsm.Emit("peft.arrive.all %0;", full);
                        ring = FlashRing.Next(ring, tiles.Stages);
                    }
                }
            }

            FlashRoles.Await(FlashGeometry.FirstEmpty + ring.Stage, ring.Phase ^ 1);
            kinds[ring.Stage] = End;
            FlashRoles.Release(FlashGeometry.FirstFull + ring.Stage);
            CudaAsm.Emit("peft.arrive.all %0;", FlashGeometry.FirstFull + ring.Stage);
            ring = FlashRing.Next(ring, tiles.Stages);
        }

        FlashRoles.Offer(items, set, number);
        FlashRoles.Release(FlashGeometry.SetFull + set.Stage);
        if (Group.IdxX == 0)
        {
            FlashItem.Finish(args.Counters);
        }
    }

    private static int Kind(FlashGeometry tiles, FlashSpan span, int key, int keys)
    {
        int kind = span.Cuts(key, key + tiles.Rows < keys ? tiles.Rows : keys - key) ? Cut : Whole;
        for (int warpgroup = 0; warpgroup < tiles.Warpgroups; warpgroup++)
        {
            int own = key + (warpgroup * FlashGeometry.WarpgroupRows);
            kind += span.First < own + FlashGeometry.WarpgroupRows && span.Last > own ? 0 : Unseen << warpgroup;
        }

        return kind;
    }

    // Goes on to the first tile that the warpgroup's keys see, or to the end.
    private static FlashRing Seek(FlashGeometry tiles, ArrayView<int> kinds, FlashRing ring, int warpgroup)
    {
        FlashRoles.Await(FlashGeometry.FirstFull + ring.Stage, ring.Phase);
        while ((kinds[ring.Stage] & (Unseen << warpgroup)) != 0)
        {
            FlashRoles.Release(FlashGeometry.FirstEmpty + ring.Stage);
            ring = FlashRing.Next(ring, tiles.Stages);
            FlashRoles.Await(FlashGeometry.FirstFull + ring.Stage, ring.Phase);
        }

        return ring;
    }

    private static void Describe(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, int b, int h, int query, int shared)
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

    private static void Compute(FlashArgs<ArrayView<int>> args, FlashGeometry tiles, ArrayView<int> kinds, ArrayView<int> items, int warpgroup)
    {
        FlashRing set = default, ring = default;
        int lane = Group.IdxX % 32, rows = warpgroup * FlashGeometry.WarpgroupRows * 128, column = lane % 4 * 8;
        for (int number = FlashRoles.Take(items, set); number < args.Items; number = FlashRoles.Take(items, set))
        {
            FlashItem item = FlashItem.Of(args, number, args.KeyHeads * args.Shares, 0);
            int own = (item.Tile * tiles.Rows) + (warpgroup * FlashGeometry.WarpgroupRows);
            int k = tiles.KeptAt(set.Stage, 0) + rows, v = tiles.KeptAt(set.Stage, tiles.Kept - 1) + rows, before = -1;
            Clear();
            ring = Seek(tiles, kinds, ring, warpgroup);
            int kind = kinds[ring.Stage];
            if (kind != End)
            {
                CudaAsm.Emit("peft.scores.s %0, %1;", k, tiles.PassingAt(ring.Stage, 0));
                while (true)
                {
                    int stats = tiles.StatsAt(ring.Stage) + column;
                    CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                    if (before >= 0)
                    {
                        FlashRoles.Release(before);
                    }

                    if (TDim.Keys)
                    {
                        CudaAsm.Emit("peft.scores.g %0, %1;", v, tiles.PassingAt(ring.Stage, 1));
                        CudaAsm.Emit("wgmma.wait_group.sync.aligned 1;");
                    }
                    else
                    {
                        CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                    }

                    if ((kind & Cut) != 0)
                    {
                        int row = own + (Group.IdxX / 32 % 4 * 16) + (lane / 4);
                        CudaAsm.Emit("peft.columnmask %0, %1, %2;", stats, row, row + 8);
                    }

                    CudaAsm.Emit("peft.columnweights %0, %1;", stats, args.ScaleLog2);
                    Combine(tiles, ring, stats);
                    before = FlashGeometry.FirstEmpty + ring.Stage;
                    ring = FlashRing.Next(ring, tiles.Stages);
                    FlashRoles.Await(FlashGeometry.FirstFull + ring.Stage, ring.Phase);
                    kind = kinds[ring.Stage];
                    if (kind == End)
                    {
                        break;
                    }

                    CudaAsm.Emit("peft.scores.s %0, %1;", k, tiles.PassingAt(ring.Stage, 0));
                }

                CudaAsm.Emit("wgmma.wait_group.sync.aligned 0;");
                FlashRoles.Release(before);
            }

            FlashRoles.Release(FlashGeometry.FirstEmpty + ring.Stage);
            ring = FlashRing.Next(ring, tiles.Stages);

            // Gradients take the place of the warpgroup's own keys and values.
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
                CudaAsm.Emit("peft.send.result0 %0, %1, %2, %3, %4;", k, item.Head, own, item.B, args.Add0);
            }

            if (TDim.Values)
            {
                CudaAsm.Emit("peft.send.result1 %0, %1, %2, %3, %4;", v, item.Head, own, item.B, args.Add1);
            }

            FlashRoles.ReleaseSet(set.Stage);
            set = FlashRing.Next(set, tiles.Sets);
        }
    }

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

    private static void Combine(FlashGeometry tiles, FlashRing ring, int stats)
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

        if (TDim.Values)
        {
            CudaAsm.Emit("peft.combine.p.v %0;", tiles.PassingAt(ring.Stage, 1));
        }

        if (TDim.Keys)
        {
            CudaAsm.Emit("peft.combine.w.o %0;", tiles.PassingAt(ring.Stage, 0));
        }
    }
}
