using PeftCore.Data;

namespace PeftCore.Tests.Data;

/// <summary>The arrays of a batch for tasks besides causal language modelling.</summary>
public sealed class TaskBatchTests
{
    private const int Pad = 9;

    [Test]
    public void Labels_in_place_are_not_shifted()
    {
        var batch = new Collator(Pad).Collate([Sample(1, 2, 3) with { LabelsInPlace = true, Labels = [-100, 5, 6] },
            Sample(4) with { LabelsInPlace = true, Labels = [7] }]);
        Assert.That(batch.Targets, Is.EqualTo([-100, 5, 6, 7, -100, -100]));
        Assert.That(batch.TrainableTokens, Is.EqualTo(3));
    }

    [Test]
    public void Types_spans_numbers_and_classes_have_their_arrays_and_counts()
    {
        var pair = new Collator(Pad).Collate([Sample(1, 2) with { TypeIds = [0, 1], ClassLabel = 1 },
            Sample(3, 4, 5) with { ClassLabel = 0 }]);
        Assert.That(pair.TypeIds, Is.EqualTo([0, 1, 0, 0, 0, 0]));
        Assert.That(pair.TrainableTokens, Is.EqualTo(2));
        var spans = new Collator(Pad).Collate([Sample(1, 2) with { Span = (0, 1) }, Sample(3, 4) with { Span = (1, 1) }]);
        Assert.That(spans.Spans, Is.EqualTo([0, 1, 1, 1]));
        Assert.That(spans.TrainableTokens, Is.EqualTo(4));
        var numbers = new Collator(Pad).Collate([Sample(1) with { Score = 0.5 }, Sample(2) with { Score = -1 }]);
        Assert.That(numbers.Scores, Is.EqualTo([0.5f, -1f]));
        Assert.That(numbers.TrainableTokens, Is.EqualTo(2));
        Assert.That((numbers.TypeIds, numbers.Spans, numbers.DecoderLabels), Is.EqualTo(((int[]?)null, (int[]?)null, (int[]?)null)));
    }

    [Test]
    public void Several_classes_have_a_row_of_0_and_1_each()
    {
        var batch = new Collator(Pad).Collate([Sample(1) with { ClassFlags = [0, 1, 1] }, Sample(2) with { ClassFlags = [1, 0, 0] }]);
        Assert.That(batch.Scores, Is.EqualTo([0f, 1, 1, 1, 0, 0]));
        Assert.That(batch.TrainableTokens, Is.EqualTo(2));
        Assert.That(batch.Row(1).Scores, Is.EqualTo([1f, 0, 0]));
        var packing = new LoaderOptions { BatchSize = 1, PadId = Pad, PackInto = 8 };
        Assert.That(() => new DataLoader([Sample(1) with { ClassFlags = [0, 1] }], packing),
            Throws.TypeOf<BadInputException>().With.Message.Contains("packing"));
    }

    [Test]
    public void Targets_of_a_decoder_are_padded_to_the_longest()
    {
        Example[] samples = [Sample(1, 2) with { TargetIds = [5, 6, 2] }, Sample(3) with { TargetIds = [2] }];
        var batch = new Collator(Pad).Collate(samples);
        Assert.That(batch.DecoderLabels, Is.EqualTo([5, 6, 2, 2, -100, -100]));
        Assert.That(batch.TrainableTokens, Is.EqualTo(4));
        var row = batch.Row(1);
        Assert.That((row.TargetLength, row.TrainableTokens), Is.EqualTo((1, 1)));
        Assert.That(row.DecoderLabels, Is.EqualTo([2]));
    }

    [Test]
    public void A_loader_reuses_batches_of_the_same_target_length_only()
    {
        Example[] samples = [Sample(1) with { TargetIds = [5, 2] }, Sample(1) with { TargetIds = [2] }];
        var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 1, PadId = Pad, Shuffle = false });
        var first = loader.Next();
        loader.Return(first);
        Assert.That(loader.Next().DecoderLabels, Is.EqualTo([2]));
        Assert.That(loader.Next(), Is.SameAs(first));
    }

    [Test]
    public void Similar_texts_are_blocks_of_one_batch()
    {
        Example Contrast(int id) => Sample(id) with { Positive = Sample(id + 10, id), Negative = Sample(id + 20) };
        var loader = new DataLoader([Contrast(1), Contrast(2), Contrast(3)],
            new LoaderOptions { BatchSize = 2, PadId = Pad, Shuffle = false });
        var batch = loader.Next();
        Assert.That((batch.BatchSize, batch.Parts), Is.EqualTo((6, 3)));
        Assert.That(batch.InputIds, Is.EqualTo([1, Pad, 2, Pad, 11, 1, 12, 2, 21, Pad, 22, Pad]));
        Assert.That(loader.Next().InputIds, Is.EqualTo([3, Pad, 13, 3, 23, Pad]));
    }

    [Test]
    public void Masks_are_drawn_anew_in_each_epoch_and_repeat_in_a_resumed_run()
    {
        var loader = MaskedLoader();
        Batch[] twoEpochs = [.. Enumerable.Range(0, 8).Select(_ => loader.Next())];
        var resumed = MaskedLoader();
        resumed.Position = new DataPosition(1, 1);
        Assert.That(resumed.Next().InputIds, Is.EqualTo(twoEpochs[5].InputIds));
        int[] first = [.. twoEpochs.Take(4).SelectMany(batch => batch.InputIds)];
        int[] second = [.. twoEpochs.Skip(4).SelectMany(batch => batch.InputIds)];
        Assert.That(first.Order(), Is.Not.EqualTo(second.Order()));
    }

    [Test]
    public void Of_the_tokens_15_percent_are_predicted_and_most_of_them_hidden()
    {
        const int Mask = 1, Count = 40_000;
        int[] ids = [.. Enumerable.Repeat(500, Count)], labels = [.. Enumerable.Repeat(-100, Count)];
        bool[] special = new bool[Count];
        special.AsSpan(0, 100).Fill(true);
        new TokenMasking(Mask, 1000).Apply(ids, labels, special, seed: 3, epoch: 0, sample: 0);
        int[] predicted = [.. Enumerable.Range(0, Count).Where(i => labels[i] != -100)];
        Assert.That(predicted.Select(i => labels[i]), Is.All.EqualTo(500));
        Assert.That(predicted.Min(), Is.GreaterThanOrEqualTo(100));
        Assert.That(predicted.Length / (double)Count, Is.EqualTo(0.15).Within(0.01));
        Assert.That(predicted.Count(i => ids[i] == Mask) / (double)predicted.Length, Is.EqualTo(0.8).Within(0.02));
        Assert.That(predicted.Count(i => ids[i] == 500) / (double)predicted.Length, Is.EqualTo(0.1).Within(0.02));
        Assert.That(Enumerable.Range(0, Count).Except(predicted).Select(i => ids[i]), Is.All.EqualTo(500));
        Assert.That(ids.Max(), Is.LessThan(1000));
    }

    [Test]
    public void A_short_text_predicts_at_least_one_token()
    {
        for (int sample = 0; sample < 20; sample++)
        {
            int[] ids = [0, 500, 2], labels = [-100, -100, -100];
            new TokenMasking(1, 1000).Apply(ids, labels, [true, false, true], seed: 3, epoch: 0, sample);
            Assert.That(labels, Is.EqualTo([-100, 500, -100]));
        }
    }

    [Test]
    public void Packing_is_refused_for_tasks_without_causal_attention() => Assert.That(
        () => new DataLoader([Sample(1) with { Span = (0, 0) }], new LoaderOptions { BatchSize = 1, PadId = Pad, PackInto = 4 }),
        Throws.TypeOf<BadInputException>().With.Message.Contains("packing is for causal language models only"));

    [Test]
    public void Changed_targets_change_the_fingerprint()
    {
        ulong Of(Example sample) => new DataLoader([sample], new LoaderOptions { BatchSize = 1, PadId = Pad }).Fingerprint;
        ulong[] all = [Of(Sample(1)), Of(Sample(1) with { TargetIds = [1] }), Of(Sample(1) with { TargetIds = [2] }),
            Of(Sample(1) with { Span = (0, 0) }), Of(Sample(1) with { Score = 1 })];
        Assert.That(all, Is.Unique);
    }

    private static DataLoader MaskedLoader() => new([.. Enumerable.Range(0, 8).Select(i => Sample([.. Enumerable.Range(10 * i, 20)])
        with { LabelsInPlace = true, Masking = new TokenMasking(3, 100) })],
        new LoaderOptions { BatchSize = 2, PadId = Pad, Seed = 5 });

    private static Example Sample(params int[] ids) => Example.Unlabelled(ids);
}
