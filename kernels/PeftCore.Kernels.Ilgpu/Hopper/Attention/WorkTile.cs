using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>A unit of work of a thread block: a tile of queries (or of keys, for their gradient) of one head of one batch row.</summary>
internal struct WorkTile
{
    public int B, Head, Index;

    /// <summary>Draws the thread block's next tile from the counter; the whole warp calls it. Tiles differ in length, so that no fixed
    /// distribution is even.</summary>
    public static int Next(ArrayView<int> counters)
    {
        int next = 0;
        if (Group.IdxX % 32 == 0)
        {
            next = Grid.DimX + Atomic.Add(ref counters[0], 1);
        }

        return Warp.Shuffle(next, 0);
    }

    /// <summary>Counts the thread block as ended; the last one resets the counters. One thread of every thread block calls it.</summary>
    public static void Finish(ArrayView<int> counters)
    {
        if (Atomic.Add(ref counters[1], 1) == Grid.DimX - 1)
        {
            counters[0] = 0;
            counters[1] = 0;
        }
    }

    /// <summary>The tile of a number. Sections follow one another, so that streamed operands stay in the L2 cache; in a section the longest
    /// tiles come first, which are those of the last queries or of the first keys.</summary>
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
