using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Training;
using PeftCore.Training.Metrics;

namespace PeftCore.Tests.Training;

public sealed class EvaluationTests
{
    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1);

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void Every_token_counts_the_same_however_the_data_are_batched()
    {
        var model = Runs.Model("llama", _backend);
        var byOne = Evaluation.Run(model, Runs.Loader(7, 1, 1).Epoch());
        var byThree = Evaluation.Run(model, Runs.Loader(7, 1, 3).Epoch());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(byThree.Loss, Is.EqualTo(byOne.Loss).Within(1e-6));
            Assert.That(byThree.Tokens, Is.EqualTo(byOne.Tokens).And.EqualTo(Runs.Examples(7, 1).Sum(example => example.TrainableTokens)));
            Assert.That(byThree.Perplexity, Is.EqualTo(Math.Exp(byThree.Loss)));
        }
    }

    [Test]
    public void Nothing_is_left_behind_and_dropout_is_off()
    {
        var trainable = Runs.Lora("llama", _backend, dropout: 0.5);
        trainable.Model.Mode.Training = true;
        var first = Evaluation.Run(trainable.Model, Runs.Loader(4, 1, 2).Epoch());
        long before = _backend.Memory.CurrentBytes;
        var second = Evaluation.Run(trainable.Model, Runs.Loader(4, 1, 2).Epoch());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(second.Loss, Is.EqualTo(first.Loss));
            Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
            Assert.That(trainable.Model.Mode.Training, Is.True);
        }
    }

    [Test]
    public void Data_without_a_target_give_a_sentence()
    {
        var batch = new Collator(0).Collate([new Example([5, 6], [Example.Masked, Example.Masked])]);
        Assert.That(() => Evaluation.Run(Runs.Model("llama", _backend), [batch]), Throws.TypeOf<BadInputException>());
    }

    [Test]
    public void The_class_is_the_label_with_the_lowest_loss()
    {
        var model = Runs.Model("llama", _backend);
        var samples = Enumerable.Range(0, 12)
            .Select(i => new LabelledSample([.. Labels().Select(label => Sample([5 + i, 40 - i, 7], label))], i % 3)).ToList();
        var result = Classification.Run(model, samples);
        for (int i = 0; i < samples.Count; i++)
        {
            var losses = samples[i].Candidates.Select(candidate => Loss(model, candidate)).ToList();
            Assert.That(result.Predictions[i], Is.EqualTo(losses.IndexOf(losses.Min())), $"sample {i}");
        }
        Assert.That(result.Predictions.Distinct().Count(), Is.GreaterThan(1));
        Assert.That(result.Accuracy, Is.EqualTo(result.Predictions.Select((p, i) => p == i % 3 ? 1.0 : 0).Average()));

        static int[][] Labels() => [[60, 33], [61, 33], [61, 34]];
        static Example Sample(int[] text, int[] label) =>
            new([.. text, .. label], [.. Enumerable.Repeat(Example.Masked, text.Length), .. label]);
    }

    [Test]
    public void Labels_whose_texts_were_cut_differently_are_scored_whole()
    {
        var model = Runs.Model("gpt2", _backend);
        Example[] candidates = [new([5, 6, 7], [-100, 6, 7]), new([8, 9, 10, 11], [-100, -100, 10, 11])];
        var losses = candidates.Select(candidate => Loss(model, candidate)).ToList();
        Assert.That(Classification.Run(model, [new LabelledSample(candidates, 0)]).Predictions[0],
            Is.EqualTo(losses.IndexOf(losses.Min())));
    }

    [Test]
    public void Macro_f1_is_the_mean_over_classes()
    {
        // Class 0: precision 1/2, recall 1. Class 1: precision 1, recall 1/3. Class 2: found once, never right.
        double f1 = ClassScores.MacroF1([0, 0, 1, 2], [0, 1, 1, 1]);
        Assert.That(f1, Is.EqualTo((2.0 / 3 + 0.5 + 0) / 3).Within(1e-12));
    }

    private double Loss(TransformerModel model, Example example)
    {
        using var scope = new TensorScope();
        return model.Loss(ModelInputs.From(_backend, example.Ids, 1), Targets.FromLabels(_backend, example.Labels, 1, 1)).Item();
    }
}
