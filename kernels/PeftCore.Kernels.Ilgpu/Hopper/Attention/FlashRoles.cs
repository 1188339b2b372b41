using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>What the attention kernels' roles share: barriers, roles, copies.</summary>
internal static class FlashRoles
{
    /// <summary>Makes the barriers: a full one is passed when its bytes are there, an empty one when every warp that computes is
    /// done.</summary>
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

    /// <summary>Publishes a tile's number to the warps that compute, once its set is free; they read it when the set is full.</summary>
    public static void Offer(ArrayView<int> workTiles, PipelineState set, int number)
    {
        Await(FlashGeometry.SetEmpty + set.Stage, set.Phase ^ 1);
        if (Group.IdxX == 0)
        {
            workTiles[set.Stage] = number;
        }
    }

    /// <summary>Waits for a full set and reads its tile's number; there are no more tiles if it is not below their count.</summary>
    public static int Take(ArrayView<int> workTiles, PipelineState set)
    {
        Await(FlashGeometry.SetFull + set.Stage, set.Phase);
        return workTiles[set.Stage];
    }

    /// <summary>One arrival a warp.</summary>
    public static void Release(int barrier) => CudaAsm.Emit("peft.arrive.lead %0;", barrier);

    /// <summary>Waits for the warpgroup alone.</summary>
    public static void WarpgroupBarrier(int warpgroup) => CudaAsm.Emit("bar.sync %0, 128;", 1 + warpgroup);

    /// <summary>Gives the first warpgroup its turn.</summary>
    public static void BeginTurns(FlashGeometry tiles, int warpgroup)
    {
        if (warpgroup == tiles.Warpgroups - 1)
        {
            PassTurn(tiles, warpgroup);
        }
    }

    /// <summary>Waits until the warpgroup before this one passes on.</summary>
    public static void AwaitTurn(FlashGeometry tiles, int warpgroup)
    {
        if (tiles.Turns != 0)
        {
            CudaAsm.Emit("bar.sync %0, 256;", 4 + warpgroup);
        }
    }

    public static void PassTurn(FlashGeometry tiles, int warpgroup)
    {
        if (tiles.Turns != 0)
        {
            CudaAsm.Emit("bar.arrive %0, 256;", warpgroup == tiles.Warpgroups - 1 ? 4 : 5 + warpgroup);
        }
    }

    /// <summary>Takes out what the thread's two rows do not see: the first of them, and the thread's first column.</summary>
    public static void MaskRows(FlashArgs<ArrayView<int>> args, int b, int row, int column) =>
        CudaAsm.Emit("peft.rowmask %0, %1, %2, %3, %4;", column,
        Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row), Mask.To(args.Ranges, args.HasRanges, args.Queries,
            args.Keys, b, row),
        Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row + 8), Mask.To(args.Ranges, args.HasRanges, args.Queries,
            args.Keys, b, row + 8));

    /// <summary>Lets the kept set go once the copy engine has read the results that took its place.</summary>
    public static void ReleaseSet(int set) => CudaAsm.Emit("peft.sent %0;", FlashGeometry.SetEmpty + set);
}
