using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The work of a thread block at a time: a tile of queries (or of keys, for their gradient) of one head of one batch
/// row.</summary>
internal struct WorkTile
{
    public int B, Head, Index;

    /// <summary>The next tile of a thread block, for a whole warp: thread blocks take tiles in order as they finish, because tiles differ
    /// in length.</summary>
    public static int Next(ArrayView<int> counters)
    {
        int next = 0;
        if (Group.IdxX % 32 == 0)
        {
            next = Grid.DimX + Atomic.Add(ref counters[0], 1);
        }

        return Warp.Shuffle(next, 0);
    }

    /// <summary>To be called by one thread of every thread block, after its last tile.</summary>
    public static void Finish(ArrayView<int> counters)
    {
        if (Atomic.Add(ref counters[1], 1) == Grid.DimX - 1)
        {
            counters[0] = 0;
            counters[1] = 0;
        }
    }

    /// <summary>Tiles go section by section, whose other operand stays in the L2 cache; in a section the longest tiles come first, which
    /// are the last queries or the first keys.</summary>
    public static WorkTile Of<TView>(FlashArgs<TView> args, int number, int heads, int descending) where TView : struct
    {
        int section = number / (args.Section * args.Tiles), left = (args.Batch * heads) - (section * args.Section);
        int count = left < args.Section ? left : args.Section;
        number -= section * args.Section * args.Tiles;
        int order = number / count, pair = (section * args.Section) + (number % count);
        WorkTile work = default;
        work.B = pair / heads;
        work.Head = pair % heads;
        work.Index = descending != 0 ? args.Tiles - 1 - order : order;
        return work;
    }
}
