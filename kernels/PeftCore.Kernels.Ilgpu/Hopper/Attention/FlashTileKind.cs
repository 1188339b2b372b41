using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The kind of a tile of queries for the gradients of keys: all attend to all of the thread block's keys, some to some
/// (<see cref="Cut"/>), or there is no further tile (<see cref="End"/>). From <see cref="Unseen"/> on, a bit for each warpgroup: no query
/// of the tile attends to a key of that warpgroup.</summary>
internal static class FlashTileKind
{
    public const int Cut = 1, End = 2, Unseen = 4;

    public static int Of(FlashGeometry tiles, KvRange range, int key, int keys)
    {
        int kind = range.Cuts(key, key + tiles.Rows < keys ? tiles.Rows : keys - key) ? Cut : 0;
        for (int warpgroup = 0; warpgroup < tiles.Warpgroups; warpgroup++)
        {
            int own = key + (warpgroup * FlashGeometry.WarpgroupRows);
            kind += range.First < own + FlashGeometry.WarpgroupRows && range.Last > own ? 0 : Unseen << warpgroup;
        }

        return kind;
    }

    /// <summary>Skips to the next tile whose queries attend to the warpgroup's keys, or to the end.</summary>
    public static PipelineState Seek(FlashGeometry tiles, ArrayView<int> kinds, PipelineState pipe, int warpgroup)
    {
        FlashRoles.Await(FlashGeometry.FirstFull + pipe.Stage, pipe.Phase);
        while ((kinds[pipe.Stage] & (Unseen << warpgroup)) != 0)
        {
            FlashRoles.Release(FlashGeometry.FirstEmpty + pipe.Stage);
            pipe = PipelineState.Next(pipe, tiles.Stages);
            FlashRoles.Await(FlashGeometry.FirstFull + pipe.Stage, pipe.Phase);
        }

        return pipe;
    }
}
