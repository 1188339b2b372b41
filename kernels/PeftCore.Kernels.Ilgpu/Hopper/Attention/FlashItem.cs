using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>One tile that stays, of one head of one batch row.</summary>
internal struct FlashItem
{
    public int B, Head, Tile;

    /// <summary>The next item of a group, for a whole warp: groups take items in order as they get done, for items differ in length.</summary>
    public static int Next(ArrayView<int> counters)
    {
        int next = 0;
        if (Group.IdxX % 32 == 0)
        {
            next = Grid.DimX + Atomic.Add(ref counters[0], 1);
        }

        return Warp.Shuffle(next, 0);
    }

    /// <summary>To be called by one thread of every group, behind its last item.</summary>
    public static void Finish(ArrayView<int> counters)
    {
        if (Atomic.Add(ref counters[1], 1) == Grid.DimX - 1)
        {
            counters[0] = 0;
            counters[1] = 0;
        }
    }

    /// <summary>Items go section by section, whose other operand stays in the L2 cache; in a section the longest tiles come first, which are
    /// the last queries or the first keys.</summary>
    public static FlashItem Of<TView>(FlashArgs<TView> args, int number, int heads, int descending) where TView : struct
    {
        int section = number / (args.Section * args.Tiles), left = (args.Batch * heads) - (section * args.Section);
        int count = left < args.Section ? left : args.Section;
        number -= section * args.Section * args.Tiles;
        int order = number / count, pair = (section * args.Section) + (number % count);
        FlashItem item = default;
        item.B = pair / heads;
        item.Head = pair % heads;
        item.Tile = descending != 0 ? args.Tiles - 1 - order : order;
        return item;
    }
}

/// <summary>Keys that a tile of queries sees.</summary>
internal struct FlashSpan
{
    /// <summary>The first any query sees, and one past the last.</summary>
    public int First, Last;

    /// <summary>The keys that all of them see.</summary>
    public int FullFirst, FullLast;

    /// <summary>Of so many queries from one on. With ranges the whole warp must ask: its lanes share the work.</summary>
    public static FlashSpan Of(FlashArgs<ArrayView<int>> args, int b, int query, int count)
    {
        FlashSpan span = default;
        int end = query + count < args.Queries ? query + count : args.Queries;
        if (query >= args.Queries)
        {
            return span;
        }

        if (args.HasRanges == 0)
        {
            span.Last = Mask.To(args.Ranges, 0, args.Queries, args.Keys, b, end - 1);
            span.FullLast = Mask.To(args.Ranges, 0, args.Queries, args.Keys, b, query);
            return span;
        }

        span.First = args.Keys;
        span.FullLast = args.Keys;
        for (int i = query + (Group.IdxX % 32); i < end; i += 32)
        {
            int from = Mask.From(args.Ranges, 1, args.Queries, args.Keys, b, i), to = Mask.To(args.Ranges, 1, args.Queries, args.Keys, b, i);
            bool sees = from < to;
            span.First = sees && from < span.First ? from : span.First;
            span.Last = sees && to > span.Last ? to : span.Last;
            span.FullFirst = from > span.FullFirst ? from : span.FullFirst;
            span.FullLast = to < span.FullLast ? to : span.FullLast;
        }

        for (int lane = 16; lane > 0; lane /= 2)
        {
            span.First = Least(span.First, Warp.ShuffleXor(span.First, lane));
            span.Last = -Least(-span.Last, Warp.ShuffleXor(-span.Last, lane));
            span.FullFirst = -Least(-span.FullFirst, Warp.ShuffleXor(-span.FullFirst, lane));
            span.FullLast = Least(span.FullLast, Warp.ShuffleXor(span.FullLast, lane));
        }

        return span;
    }

    /// <summary>Whether some query of the tile does not see some of these keys.</summary>
    public readonly bool Cuts(int key, int count) => key < FullFirst || key + count > FullLast;

    private static int Least(int a, int b) => a < b ? a : b;
}
