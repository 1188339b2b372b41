using FsCheck;
using FsCheck.Fluent;
using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class DataLoaderTests
{
    [Test]
    public void A_permutation_is_fixed_for_all_time() =>
        // A run that is resumed with another version must have the same order.
        Assert.That(SeededOrder.Permutation(8, seed: 42, stream: 1), Is.EqualTo([6, 2, 7, 4, 0, 3, 1, 5]));

    [Test]
    public void Permutations_hold_every_number_once_and_differ_by_seed_and_stream()
    {
        Prop.ForAll(Gen.Choose(0, 300).ToArbitrary(), ArbMap.Default.ArbFor<uint>(), (count, stream) =>
            SeededOrder.Permutation(count, 7, stream).Order().SequenceEqual(Enumerable.Range(0, count)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(200).WithReplay(1, 1));
        int[] one = SeededOrder.Permutation(100, 1, 0);
        Assert.That(one, Is.Not.EqualTo(SeededOrder.Permutation(100, 1, 1)).And.Not.EqualTo(SeededOrder.Permutation(100, 2, 0)));
    }

    [Test]
    public void Every_permutation_is_about_equally_likely()
    {
        var counts = new Dictionary<string, int>();
        for (uint stream = 0; stream < 24_000; stream++)
        {
            string order = string.Concat(SeededOrder.Permutation(4, 3, stream));
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }
        // 24 orders, 1000 expected of each, standard deviation 31.
        Assert.That(counts.Values, Has.Count.EqualTo(24).And.All.InRange(850, 1150));
    }

    [Test]
    public void An_epoch_draws_every_sample_once_and_the_next_in_another_order()
    {
        var loader = Loader(10, 4);
        int[] Epoch() => [.. Enumerable.Range(0, loader.BatchesPerEpoch).SelectMany(_ => Firsts(loader.Next()))];
        int[] first = Epoch(), second = Epoch();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(loader.BatchesPerEpoch, Is.EqualTo(3));
            Assert.That(first, Is.EquivalentTo(Enumerable.Range(0, 10)));
            Assert.That(second, Is.EquivalentTo(first).And.Not.EqualTo(first));
            Assert.That(loader.Position, Is.EqualTo(new DataPosition(2, 0)));
            Assert.That(loader.Epoch(1).SelectMany(Firsts), Is.EqualTo(second));
        }
    }

    [Test]
    public void A_loader_resumed_anywhere_draws_what_it_would_have_drawn()
    {
        var whole = Loader(10, 3);
        for (int step = 0; step < 12; step++)
        {
            var resumed = Loader(10, 3);
            resumed.Position = whole.Position;
            var expected = whole.Next();
            Assert.That(resumed.Next().InputIds, Is.EqualTo(expected.InputIds));
            Assert.That(resumed.Position, Is.EqualTo(whole.Position));
        }
        Assert.That(() => whole.Position = new DataPosition(0, 4),
            Throws.TypeOf<BadInputException>().With.Message.Contains("an epoch of these data has 4 batches"));
    }

    [Test]
    public void Without_shuffling_samples_come_as_they_are() =>
        Assert.That(Loader(5, 2, shuffle: false).Epoch(3).SelectMany(Firsts), Is.EqualTo(Enumerable.Range(0, 5)));

    [Test]
    public void The_fingerprint_tells_other_data_and_other_options_apart()
    {
        ulong[] prints = [Loader(10, 3).Fingerprint, Loader(11, 3).Fingerprint, Loader(10, 4).Fingerprint,
            Loader(10, 3, shuffle: false).Fingerprint];
        Assert.That(prints, Is.Unique);
        Assert.That(Loader(10, 3).Fingerprint, Is.EqualTo(prints[0]));
    }

    [Test]
    public void Rows_keep_their_tasks_and_the_fingerprint_tells_them()
    {
        DataLoader Of(params int?[] tasks) =>
            new([.. tasks.Select(task => Sample(3) with { TaskId = task })],
                new LoaderOptions { BatchSize = 3, PadId = 0, Shuffle = false });
        var loader = Of(2, null, 1);
        var batch = loader.Next();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(batch.TaskIds, Is.EqualTo(new[] { 2, 0, 1 }));
            Assert.That(batch.Row(2).TaskIds, Is.EqualTo(new[] { 1 }));
            Assert.That(loader.HighestTask, Is.EqualTo(2));
            Assert.That(Of(null, null, null).Next().TaskIds, Is.Null);
            Assert.That(new[] { loader, Of(2, null, null), Of(2, 1, null), Of(null, null, null) }.Select(other => other.Fingerprint),
                Is.Unique);
        }
    }

    [Test]
    public void Classification_samples_are_not_packed() =>
        Assert.That(() => new DataLoader([Sample(1) with { ClassLabel = 0 }], new LoaderOptions { BatchSize = 1, PadId = 0, PackInto = 8 }),
            Throws.TypeOf<BadInputException>());

    [TestCase(10, 0.2, 2)]
    [TestCase(10, 0.001, 1)]
    [TestCase(10, 0.999, 9)]
    [TestCase(2, 0.5, 1)]
    public void A_validation_split_takes_its_part_and_keeps_the_order(int count, double fraction, int expected)
    {
        int[] all = [.. Enumerable.Range(0, count)];
        (var train, var validation) = ValidationSplit.Split(all, fraction, seed: 1);
        Assert.That(validation, Has.Count.EqualTo(expected).And.Ordered);
        Assert.That(train, Is.Ordered);
        Assert.That(train.Concat(validation), Is.EquivalentTo(all));
        Assert.That(ValidationSplit.Split(all, fraction, seed: 1).Validation, Is.EqualTo(validation));
    }

    [TestCase(10, 0.0)]
    [TestCase(10, 1.0)]
    [TestCase(10, -1.0)]
    [TestCase(10, double.NaN)]
    [TestCase(1, 0.5)]
    public void A_validation_split_that_leaves_a_part_empty_is_refused(int count, double fraction) =>
        Assert.That(() => ValidationSplit.Split(new int[count], fraction, 1),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("validation_split"));

    private static DataLoader Loader(int samples, int batch, bool shuffle = true) => new(
        [.. Enumerable.Range(0, samples).Select(Sample)], new LoaderOptions { BatchSize = batch, PadId = 0, Seed = 9, Shuffle = shuffle });

    private static Example Sample(int id) => new([id, 1], [-100, 1]);

    private static IEnumerable<int> Firsts(Batch batch) =>
        Enumerable.Range(0, batch.BatchSize).Select(row => batch.InputIds[row * batch.Length]);
}
