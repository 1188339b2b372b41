using FsCheck;
using FsCheck.Fluent;
using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class BatchTests
{
    private const int Pad = 99;

    [Test]
    public void Samples_are_padded_on_the_right()
    {
        var batch = new Collator(Pad).Collate([Sample(1, 2, 3), Sample(4, 5) with { ClassLabel = 1 }]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((batch.BatchSize, batch.Length, batch.Tokens, batch.TrainableTokens), Is.EqualTo((2, 3, 5, 3)));
            Assert.That(batch.InputIds, Is.EqualTo([1, 2, 3, 4, 5, Pad]));
            Assert.That(batch.Labels, Is.EqualTo([-100, 2, 3, -100, 5, -100]));
            Assert.That(batch.Positions, Is.EqualTo([0, 1, 2, 0, 1, 0]));
            Assert.That(batch.Lengths, Is.EqualTo([3, 2]));
            Assert.That(batch.ClassLabels, Is.EqualTo([-1, 1]));
            Assert.That(batch.CausalRanges, Is.Null);
            Assert.That(batch.BidirectionalRanges(), Is.EqualTo([0, 3, 0, 3, 0, 3, 0, 2, 0, 2, 2, 3]));
        }
    }

    [TestCase(2)]
    [TestCase(4)]
    public void Each_token_has_a_label(int labels) => Assert.That(
        () => new Collator(Pad).Collate([new Example([1, 2, 3], new int[labels])]),
        Throws.TypeOf<BadInputException>().With.Message.EqualTo($"a sample has 3 tokens and {labels} labels, but each token has one."));

    [Test]
    public void Lengths_are_rounded_up_or_fixed()
    {
        Assert.That(new Collator(Pad, multipleOf: 8).Collate([Sample(1, 2, 3)]).Length, Is.EqualTo(8));
        Assert.That(new Collator(Pad, fixedLength: 5).Collate([Sample(1, 2, 3)]).Length, Is.EqualTo(5));
        Assert.That(() => new Collator(Pad, fixedLength: 2).Collate([Sample(1, 2, 3)]), Throws.ArgumentException);
    }

    [Test]
    public void Packed_samples_have_their_own_positions_ranges_and_first_labels()
    {
        var batch = new Collator(Pad).CollateRows([[Sample(1, 2), Sample(3, 4, 5)], [Sample(6, 7, 8, 9)]]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(batch.InputIds, Is.EqualTo([1, 2, 3, 4, 5, 6, 7, 8, 9, Pad]));
            Assert.That(batch.Labels, Is.EqualTo([-100, 2, -100, 4, 5, -100, 7, 8, 9, -100]));
            Assert.That(batch.Positions, Is.EqualTo([0, 1, 0, 1, 2, 0, 1, 2, 3, 0]));
            Assert.That(batch.CausalRanges, Is.EqualTo([0, 1, 0, 2, 2, 3, 2, 4, 2, 5, 0, 1, 0, 2, 0, 3, 0, 4, 4, 5]));
            Assert.That(batch.BidirectionalRanges(), Is.EqualTo([0, 2, 0, 2, 2, 5, 2, 5, 2, 5, 0, 4, 0, 4, 0, 4, 0, 4, 4, 5]));
        }
    }

    [Test]
    public void Packing_fills_rows_with_the_longest_first()
    {
        Assert.That(Packing.Pack([2, 6, 3, 4, 5], 10), Is.EqualTo(new int[][] { [1, 3], [4, 2, 0] }));
        Assert.That(Packing.Pack([], 10), Is.Empty);
        Assert.That(() => Packing.Pack([11], 10), Throws.ArgumentException);
    }

    [Test]
    public void Packing_is_first_fit_decreasing_and_loses_and_doubles_nothing()
    {
        var lengths = Gen.Choose(1, 40).ArrayOf();
        Prop.ForAll(lengths.ToArbitrary(), sizes =>
        {
            int[][] rows = Packing.Pack(sizes, 40);
            return rows.SelectMany(r => r).Order().SequenceEqual(Enumerable.Range(0, sizes.Length))
                && rows.All(r => r.Sum(i => sizes[i]) <= 40) && rows.SelectMany(r => r)
                .SequenceEqual(PlainFirstFit(sizes, 40).SelectMany(r => r));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithReplay(3, 1));
    }

    [Test]
    public void Packed_batches_keep_every_token_and_no_token_sees_another_sample()
    {
        var samples = Gen.Choose(2, 12).NonEmptyListOf().Select(l => l.Select(Numbered).ToArray());
        Prop.ForAll(samples.ToArbitrary(), all =>
        {
            var loader = new DataLoader(all, new LoaderOptions { BatchSize = 3, PadId = Pad, PackInto = 16, Seed = 5 });
            Batch[] batches = [.. loader.Epoch()];
            return Tokens(batches).Order().SequenceEqual(all.SelectMany(s => s.Ids).Order())
                && batches.Sum(b => b.TrainableTokens) == all.Sum(s => s.TrainableTokens) && batches.All(KeepsApart);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300).WithReplay(3, 9));
    }

    // Token ids are 100 × sample length + place: neighbours in one range must be the consecutive tokens of one sample.
    private static bool KeepsApart(Batch batch)
    {
        int[] both = batch.BidirectionalRanges();
        for (int at = 0; at < batch.InputIds.Length; at++)
        {
            int row = at / batch.Length, i = at % batch.Length, id = batch.InputIds[at];
            if (i >= batch.Lengths[row])
            {
                continue;
            }

            int first = batch.CausalRanges is null ? 0 : batch.CausalRanges[2 * at];
            bool causal = (batch.CausalRanges is null || batch.CausalRanges[2 * at + 1] == i + 1) && i - first == batch.Positions[at]
                && id % 100 == i - first
                && Enumerable.Range(first, i - first + 1).All(j => batch.InputIds[row * batch.Length + j] == id - (i - j));
            if (!causal || both[2 * at] != first || both[2 * at + 1] != first + id / 100 || (batch.Labels[at] == -100) != (i == first))
            {
                return false;
            }
        }
        return true;
    }

    private static IEnumerable<int> Tokens(Batch[] batches) => batches.SelectMany(b =>
        Enumerable.Range(0, b.BatchSize).SelectMany(row => b.InputIds.Skip(row * b.Length).Take(b.Lengths[row])));

    private static List<List<int>> PlainFirstFit(int[] sizes, int room)
    {
        var rows = new List<List<int>>();
        foreach (int i in Enumerable.Range(0, sizes.Length).OrderBy(i => -sizes[i]).ThenBy(i => i))
        {
            if (rows.Find(r => r.Sum(j => sizes[j]) + sizes[i] <= room) is List<int> row)
            {
                row.Add(i);
            }
            else
            {
                rows.Add([i]);
            }
        }
        return rows;
    }

    private static Example Numbered(int length) => Sample([.. Enumerable.Range(100 * length, length)]);

    private static Example Sample(params int[] ids) => new(ids, [-100, .. ids.Skip(1)]);
}
