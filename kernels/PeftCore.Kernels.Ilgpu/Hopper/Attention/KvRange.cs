using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The range of keys that a tile of queries attends to.</summary>
internal struct KvRange
{
    /// <summary>The first key that any of the queries attends to, and one past the last.</summary>
    public int First, Last;

    /// <summary>The first key that all of the queries attend to, and one past the last.</summary>
    public int FullFirst, FullLast;

    /// <summary>The range of <paramref name="count"/> queries from <paramref name="query"/> on. With ranges the whole warp must call it:
    /// its lanes share the work.</summary>
    public static KvRange Of(FlashArgs<ArrayView<int>> args, int b, int query, int count)
    {
        KvRange range = default;
        int end = query + count < args.Queries ? query + count : args.Queries;
        if (query >= args.Queries)
        {
            return range;
        }

        if (args.HasRanges == 0)
        {
            range.Last = Mask.To(args.Ranges, 0, args.Queries, args.Keys, b, end - 1);
            range.FullLast = Mask.To(args.Ranges, 0, args.Queries, args.Keys, b, query);
            return range;
        }

        range.First = args.Keys;
        range.FullLast = args.Keys;
        for (int i = query + (Group.IdxX % 32); i < end; i += 32)
        {
            int from = Mask.From(args.Ranges, 1, args.Queries, args.Keys, b, i),
                to = Mask.To(args.Ranges, 1, args.Queries, args.Keys, b, i);
            bool sees = from < to;
            range.First = sees && from < range.First ? from : range.First;
            range.Last = sees && to > range.Last ? to : range.Last;
            range.FullFirst = from > range.FullFirst ? from : range.FullFirst;
            range.FullLast = to < range.FullLast ? to : range.FullLast;
        }

        for (int lane = 16; lane > 0; lane /= 2)
        {
            range.First = Least(range.First, Warp.ShuffleXor(range.First, lane));
            range.Last = -Least(-range.Last, Warp.ShuffleXor(-range.Last, lane));
            range.FullFirst = -Least(-range.FullFirst, Warp.ShuffleXor(-range.FullFirst, lane));
            range.FullLast = Least(range.FullLast, Warp.ShuffleXor(range.FullLast, lane));
        }

        return range;
    }

    /// <summary>Whether any query of the tile does not attend to any of these keys, so that the scores need the mask.</summary>
    public readonly bool Cuts(int key, int count) => key < FullFirst || key + count > FullLast;

    private static int Least(int a, int b) => a < b ? a : b;
}
