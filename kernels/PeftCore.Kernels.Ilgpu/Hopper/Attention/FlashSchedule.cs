using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>How attention is shared out over thread blocks.</summary>
/// <param name="Tiles">Tiles of what stays, a head.</param>
/// <param name="WorkTiles">Tiles in all.</param>
/// <param name="Section">Pairs of batch row and head that are worked on at a time, so that what passes comes from the L2 cache.</param>
/// <param name="Shares">Parts that the query heads of a key head are cut into for the keys' gradient; 1 for queries.</param>
internal readonly record struct FlashSchedule(int Tiles, int WorkTiles, int Section, int Shares)
{
    private const long CacheBytes = 24L << 20;

    /// <summary>Queries stay, keys and values pass; heads of a group share theirs.</summary>
    public static FlashSchedule ForQueries(in AttentionShape shape, in FlashGeometry tiles, int processors)
    {
        int count = SplitKSchedule.Count(shape.QueryLength, tiles.Rows), pairs = shape.Batch * shape.Heads,
            group = shape.Heads / shape.KeyHeads;
        return new FlashSchedule(count, checked(pairs * count), EvenSection(pairs, count, Fitting(shape.KeyLength, tiles.Dim) * group,
            processors), 1);
    }

    /// <summary>Keys and values stay, the queries of their group and the gradients of its outputs pass.</summary>
    public static FlashSchedule ForKeys(in AttentionShape shape, in FlashGeometry tiles, int processors)
    {
        int count = SplitKSchedule.Count(shape.KeyLength, tiles.Rows), pairs = shape.Batch * shape.KeyHeads,
            group = shape.Heads / shape.KeyHeads;
        // Causal tiles differ in length: with fewer than three to two processors, the longest would be waited for.
        int shares = Enumerable.Range(1, group).First(n => n == group || (group % n == 0 && 2L * n * pairs * count >= 3L * processors));
        long fitting = Fitting(shape.QueryLength, tiles.Dim) * shares / group;
        return new FlashSchedule(count, checked(pairs * shares * count), EvenSection(pairs * shares, count, fitting, processors), shares);
    }

    // Even sections. Long tiles that begin a short section late would be waited for, so it has three tiles a processor at least.
    private static int EvenSection(int pairs, int tiles, long fitting, int processors)
    {
        long section = Math.Max(fitting, SplitKSchedule.Count(3 * processors, tiles));
        int sections = (int)Math.Max(1, (pairs + section - 1) / section);
        return SplitKSchedule.Count(pairs, sections);
    }

    // How many pairs of operands the cache holds, at least one.
    private static long Fitting(int tokens, int dim) => Math.Max(1, CacheBytes / Math.Max(1, 4L * tokens * dim));
}
