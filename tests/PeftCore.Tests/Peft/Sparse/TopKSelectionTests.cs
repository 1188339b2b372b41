using PeftCore.Peft.Sparse;

namespace PeftCore.Tests.Peft.Sparse;

public sealed class TopKSelectionTests
{
    [Test]
    public void The_highest_scores_are_chosen_as_sorting_would([Values(0.01, 0.1, 0.5, 1)] double density, [Values] SelectionScope scope)
    {
        var scores = new[] { 400, 30, 1000 }.Select((count, n) => KeyValuePair.Create($"w{n}", Kernels.Numbers.Random(n, count, n + 1f)))
            .ToList();
        var mask = TopKSelection.Choose(scores, new EntryBudget(density, null, scope));
        var all = scores.SelectMany(pair => pair.Value.Select((score, place) => (pair.Key, place, score))).ToList();
        var expected = scope == SelectionScope.Global
            ? all.OrderByDescending(entry => entry.score).Take((int)Math.Round(density * all.Count))
            : all.GroupBy(entry => entry.Key).SelectMany(group => group.OrderByDescending(entry => entry.score)
                .Take(Math.Max(1, (int)Math.Round(density * group.Count()))));
        foreach (var group in expected.GroupBy(entry => entry.Key))
        {
            Assert.That(mask.Of(group.Key), Is.EqualTo(group.Select(entry => entry.place).Order()), group.Key);
        }
        Assert.That(mask.Count, Is.EqualTo(expected.Count()));
    }

    [Test]
    public void Of_equal_scores_the_first_are_chosen_and_what_is_no_number_comes_last()
    {
        var scores = new KeyValuePair<string, float[]>[] { new("a", [1, 1, float.NaN, 2]), new("b", [1, -3, float.NegativeInfinity, 1]) };
        Assert.That(TopKSelection.Choose(scores, new EntryBudget(3 / 8.0)).Of("a"), Is.EqualTo(new[] { 0, 1, 3 }));
        var seven = TopKSelection.Choose(scores, new EntryBudget(7 / 8.0));
        Assert.That(seven.Of("a"), Is.EqualTo(new[] { 0, 1, 3 }));
        Assert.That(seven.Of("b"), Is.EqualTo(new[] { 0, 1, 2, 3 }));
    }

    [Test]
    public void A_threshold_takes_all_that_reach_it_and_nothing_is_refused()
    {
        var scores = new KeyValuePair<string, float[]>[] { new("a", [1, 3, 2]), new("b", [0.5f]) };
        var mask = TopKSelection.Choose(scores, new EntryBudget(Threshold: 2));
        Assert.That(mask.Of("a"), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(mask.Paths, Is.EqualTo(new[] { "a" }));
        Assert.That(() => TopKSelection.Choose(scores, new EntryBudget(Threshold: 9)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("highest is 3"));
        Assert.That(() => TopKSelection.Choose(scores, new EntryBudget(0)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("density"));
    }

    [Test]
    public void Places_survive_being_written_as_gaps()
    {
        int[] places = [0, 1, 5, 132, 133, 20_000, 3_000_000, int.MaxValue - 1];
        byte[] bytes = EntryGaps.Encode(places);
        Assert.That(EntryGaps.Decode(bytes, places.Length, int.MaxValue), Is.EqualTo(places));
        Assert.That(EntryGaps.Decode([], 0, 1), Is.Empty);
    }

    [TestCase(new byte[] { 1, 1 }, 3, 10)]
    [TestCase(new byte[] { 1, 9 }, 2, 10)]
    [TestCase(new byte[] { 1, 0x80 }, 2, 10)]
    [TestCase(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF }, 1, 10)]
    public void Gaps_that_do_not_describe_the_places_are_refused(byte[] bytes, int count, int size) =>
        Assert.That(EntryGaps.Decode(bytes, count, size), Is.Null);
}
