using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>Barriers and masks that the copying and the computing warpgroups of the attention kernels share.</summary>
internal static class FlashRoles
{
    /// <summary>Initializes the barriers: a full one completes when its bytes have arrived, an empty one when every computing warp has
    /// read them.</summary>
    public static void MakeBarriers(FlashGeometry tiles, int fullArrivals)
    {
        if (Group.IdxX == 0)
        {
            int warps = 4 * tiles.Warpgroups;
            for (int set = 0; set < 2; set++)
            {
                CudaAsm.Emit("peft.barrier %0, %1;", FlashGeometry.SetFull + set, 1);
                CudaAsm.Emit("peft.barrier %0, %1;", FlashGeometry.SetEmpty + set, tiles.Warpgroups);
            }

            for (int stage = 0; stage < 4; stage++)
            {
                CudaAsm.Emit("peft.barrier %0, %1;", FlashGeometry.FirstFull + stage, fullArrivals);
                CudaAsm.Emit("peft.barrier %0, %1;", FlashGeometry.FirstEmpty + stage, warps);
                CudaAsm.Emit("peft.barrier %0, %1;", FlashGeometry.SecondFull + stage, 1);
                CudaAsm.Emit("peft.barrier %0, %1;", FlashGeometry.SecondEmpty + stage, warps);
            }

            CudaAsm.Emit("fence.mbarrier_init.release.cluster;");
            CudaAsm.Emit("fence.proxy.async.shared::cta;");
        }

        Group.Barrier();
    }

    public static void Await(int barrier, int phase) => CudaAsm.Emit("peft.await %0, %1;", barrier, phase);

    /// <summary>Publishes a tile's index to the computing warps, once its set is free; they read it when the set is full.</summary>
    public static void Offer(ArrayView<int> workTiles, PipelineState set, int number)
    {
        Await(FlashGeometry.SetEmpty + set.Stage, set.Phase ^ 1);
        if (Group.IdxX == 0)
        {
            workTiles[set.Stage] = number;
        }
    }

    /// <summary>Waits for a full set and reads its tile's index; an index that is not below the number of tiles ends the loop.</summary>
    public static int Take(ArrayView<int> workTiles, PipelineState set)
    {
        Await(FlashGeometry.SetFull + set.Stage, set.Phase);
        return workTiles[set.Stage];
    }

    /// <summary>Arrives at a barrier, once for each warp.</summary>
    public static void Release(int barrier) => CudaAsm.Emit("peft.arrive.lead %0;", barrier);

    /// <summary>A barrier of the warpgroup alone.</summary>
    public static void WarpgroupBarrier(int warpgroup) => CudaAsm.Emit("bar.sync %0, 128;", 1 + warpgroup);

    /// <summary>Starts the alternation with the first warpgroup.</summary>
    public static void InitSchedulerBarrier(FlashGeometry tiles, int warpgroup)
    {
        if (warpgroup == tiles.Warpgroups - 1)
        {
            SchedulerBarrierArrive(tiles, warpgroup);
        }
    }

    /// <summary>Waits until the previous warpgroup calls <see cref="SchedulerBarrierArrive"/>.</summary>
    public static void SchedulerBarrierSync(FlashGeometry tiles, int warpgroup)
    {
        if (tiles.SchedulerBarrier != 0)
        {
            CudaAsm.Emit("bar.sync %0, 256;", 4 + warpgroup);
        }
    }

    public static void SchedulerBarrierArrive(FlashGeometry tiles, int warpgroup)
    {
        if (tiles.SchedulerBarrier != 0)
        {
            CudaAsm.Emit("bar.arrive %0, 256;", warpgroup == tiles.Warpgroups - 1 ? 4 : 5 + warpgroup);
        }
    }

    /// <summary>Sets scores to −∞ where a row does not attend to a column. <paramref name="row"/> is the first of the thread's two rows,
    /// <paramref name="column"/> its first column.</summary>
    public static void MaskRows(FlashArgs<ArrayView<int>> args, int b, int row, int column) =>
        CudaAsm.Emit("peft.rowmask %0, %1, %2, %3, %4;", column,
        Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row), Mask.To(args.Ranges, args.HasRanges, args.Queries,
            args.Keys, b, row),
        Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row + 8), Mask.To(args.Ranges, args.HasRanges, args.Queries,
            args.Keys, b, row + 8));

    /// <summary>Frees the kept set once the copy engine has read the results that overwrote it.</summary>
    public static void ReleaseSet(int set) => CudaAsm.Emit("peft.sent %0;", FlashGeometry.SetEmpty + set);
}
