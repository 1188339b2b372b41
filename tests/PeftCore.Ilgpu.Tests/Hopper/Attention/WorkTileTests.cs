using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu.Tests;

public sealed class WorkTileTests
{
    [TestCase(3, 5, 4, 7)]
    [TestCase(1, 1, 1, 1)]
    [TestCase(2, 8, 6, 16)]
    public void Every_tile_of_every_head_is_one_work_tile_and_a_section_begins_with_the_longest(int batch, int heads, int tiles,
        int section)
    {
        var args = new FlashArgs<RawView> { Batch = batch, Tiles = tiles, WorkTiles = batch * heads * tiles, Section = section };
        WorkTile[] workTiles = [.. Enumerable.Range(0, args.WorkTiles).Select(number => WorkTile.Of(args, number, heads, 1))];

        Assert.That(workTiles.Select(work => (work.B, work.Head, work.Index)), Is.EquivalentTo(
            from b in Enumerable.Range(0, batch)
            from h in Enumerable.Range(0, heads)
            from tile in Enumerable.Range(0,
                tiles)
            select (b, h, tile)));
        foreach (var part in workTiles.Chunk(section * tiles))
        {
            Assert.That(part.Select(work => work.Index), Is.Ordered.Descending);
            Assert.That(part.Select(work => (work.B, work.Head)).Distinct().Count(), Is.LessThanOrEqualTo(section));
        }
    }

    [Test]
    public void First_keys_come_first_where_they_have_the_most_queries() =>
        Assert.That(WorkTile.Of(new FlashArgs<RawView> { Batch = 1, Tiles = 3, WorkTiles = 3, Section = 1 }, 0, 1, 0).Index, Is.Zero);

    [TestCase(300, 300)]
    [TestCase(70, 300)]
    [TestCase(300, 100)]
    public void A_causal_range_holds_what_some_and_what_all_queries_of_a_tile_see(int queries, int keys)
    {
        var args = new FlashArgs<ILGPU.ArrayView<int>> { Queries = queries, Keys = keys };
        for (int query = 0; query < queries + 128; query += 64)
        {
            int[] last = [.. Enumerable.Range(query, 64).Where(i => i < queries).Select(i => Math.Min(keys, i + 1 + keys - queries))];
            var range = KvRange.Of(args, 0, query, 64);

            Assert.That((range.First, range.FullFirst), Is.EqualTo((0, 0)));
            Assert.That(range.Last, Is.EqualTo(last.Length == 0 ? 0 : last.Max()));
            Assert.That(range.FullLast, Is.EqualTo(last.Length == 0 ? 0 : last.Min()));
            Assert.That(range.Cuts(0, 64), Is.EqualTo(last.Length == 0 || last.Min() < 64));
        }
    }
}
