using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The division of attention into work tiles for thread blocks.</summary>
/// <param name="Tiles">Tiles of a kept operand for each head.</param>
/// <param name="WorkTiles">All work tiles.</param>
/// <param name="Section">Pairs of batch row and head that are computed at a time, so that the streamed operands stay in the L2
/// cache.</param>
/// <param name="Splits">Splits that the query heads of a key head are cut into for the keys' gradient; 1 for queries.</param>
internal readonly record struct FlashSchedule(int Tiles, int WorkTiles, int Section, int Splits)
{
    private const long CacheBytes = 24L << 20;

    /// <summary>The schedule of kernels that keep queries and iterate over keys and values, which the query heads of a key head
    /// share.</summary>
    public static FlashSchedule ForQueries(in AttentionShape shape, in FlashGeometry tiles, int processors)
    {
        int count = SplitKSchedule.Count(shape.QueryLength, tiles.Rows), pairs = shape.Batch * shape.Heads,
            group = shape.Heads / shape.KeyHeads;
        return new FlashSchedule(count, checked(pairs * count), EvenSection(pairs, count, Fitting(shape.KeyLength, tiles.Dim) * group,
            processors), 1);
    }

    /// <summary>The schedule of kernels that keep keys and values, and iterate over q and dO of the query heads that share them.</summary>
    public static FlashSchedule ForKeys(in AttentionShape shape, in FlashGeometry tiles, int processors)
    {
        int count = SplitKSchedule.Count(shape.KeyLength, tiles.Rows), pairs = shape.Batch * shape.KeyHeads,
            group = shape.Heads / shape.KeyHeads;
        // Causal tiles differ in length: with fewer than three tiles for two processors, most would wait for the longest.
        int splits = Enumerable.Range(1, group).First(n => n == group || (group % n == 0 && 2L * n * pairs * count >= 3L * processors));
        long fitting = Fitting(shape.QueryLength, tiles.Dim) * splits / group;
        return new FlashSchedule(count, checked(pairs * splits * count), EvenSection(pairs * splits, count, fitting, processors), splits);
    }

    // Sections of equal size, at least three tiles a processor: in a shorter one the processors would wait for its longest tiles.
    private static int EvenSection(int pairs, int tiles, long fitting, int processors)
    {
        long section = Math.Max(fitting, SplitKSchedule.Count(3 * processors, tiles));
        int sections = (int)Math.Max(1, (pairs + section - 1) / section);
        return SplitKSchedule.Count(pairs, sections);
    }

    // Number of pairs of batch row and head whose streamed operands fit the cache together; at least one.
    private static long Fitting(int tokens, int dim) => Math.Max(1, CacheBytes / Math.Max(1, 4L * tokens * dim));
}
