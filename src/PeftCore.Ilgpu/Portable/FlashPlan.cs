using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>How attention is shared out over groups of threads.</summary>
/// <param name="Tiles">Tiles of what stays, a head.</param>
/// <param name="Items">Tiles in all.</param>
/// <param name="Section">Pairs of batch row and head that are worked on at a time, so that what passes comes from the L2 cache.</param>
internal readonly record struct FlashPlan(int Tiles, int Items, int Section)
{
    private const long CacheBytes = 24L << 20;

    /// <param name="batch">Batch rows.</param>
    /// <param name="length">Tokens that stay.</param>
    /// <param name="heads">Heads of theirs.</param>
    /// <param name="tiles">The kernel's tiles.</param>
    /// <param name="passing">Tokens that pass.</param>
    /// <param name="group">Query heads that share a key head.</param>
    public static FlashPlan For(int batch, int length, int heads, in FlashGeometry tiles, int passing, int group)
    {
        int count = ProductPlan.Count(length, tiles.Rows);
        // Two operands pass. Queries of a group share theirs; keys see those of the whole group.
        double bytes = 4.0 * passing * tiles.Dim * (tiles.Stats > 0 ? group : 1.0 / group);
        long section = Math.Max(1, (long)(CacheBytes / Math.Max(bytes, 1)));
        section = tiles.Stats > 0 || section < group ? section : section / group * group;
        return new FlashPlan(count, checked(batch * heads * count), (int)Math.Min(section, (long)batch * heads));
    }
}
