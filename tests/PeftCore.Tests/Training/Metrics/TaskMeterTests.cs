using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Training;
using PeftCore.Training.Metrics;

namespace PeftCore.Tests.Training.Metrics;

/// <summary>Metrics of evaluations, and the choice of the best by them.</summary>
public sealed class TaskMeterTests
{
    private static readonly RowPlace Place = new("data", 1);

    [Test]
    public void The_class_with_the_highest_logit_is_predicted()
    {
        var meter = new ClassMeter();
        meter.Add(Batch(Sample(2) with { ClassLabel = 1 }, Sample(1) with { ClassLabel = 0 }), [0, 1, 0, 2]);
        var scores = meter.Scores();
        Assert.That((scores["accuracy"], scores["f1"], scores["matthews_correlation"]), Is.EqualTo((0.5, 1 / 3.0, 0.0)));
    }

    [Test]
    public void Numbers_have_correlations_and_an_error()
    {
        var meter = new ClassMeter();
        meter.Add(Batch(Sample(1) with { Score = 1 }, Sample(1) with { Score = 2 }), [2, 4]);
        var scores = meter.Scores();
        Assert.That(scores["pearson"], Is.EqualTo(1).Within(1e-12));
        Assert.That((scores["mse"], scores.Count), Is.EqualTo((2.5, 3)));
    }

    [Test]
    public void Several_classes_have_f1_over_all_and_by_class_and_exact_matches()
    {
        var meter = new MultiLabelMeter();
        meter.Add(Batch(Sample(1) with { ClassFlags = [1, 0, 0] }, Sample(1) with { ClassFlags = [1, 1, 0] }), [1, 1, -1, 2, 3, -1]);
        meter.Add(Batch(Sample(1) with { ClassFlags = [0, 0, 0] }), [1, -1, 0]);
        // Hits 2, 1, 0; predicted 3, 2, 0; correct 2, 1, 0.
        Assert.That(meter.Scores()["micro_f1"], Is.EqualTo(2 * 3 / 8.0).Within(1e-12));
        Assert.That(meter.Scores()["macro_f1"], Is.EqualTo((4 / 5.0 + 2 / 3.0 + 0) / 3).Within(1e-12));
        Assert.That(meter.Scores()["exact_match"], Is.EqualTo(1 / 3.0).Within(1e-12));
    }

    [Test]
    public void Tags_are_read_at_first_tokens_after_virtual_tokens()
    {
        var meter = new TagMeter(["O", "B-X"]);
        var batch = Batch(Sample(3) with { LabelsInPlace = true, Labels = [-100, 1, 0] },
            Sample(2) with { LabelsInPlace = true, Labels = [-100, 1] });
        // One virtual token before each row; both logits of a token: O, B-X.
        meter.Add(batch, [9, 0, 9, 0, 0, 1, 0, 1, 9, 0, 9, 0, 0, 1, 9, 0]);
        Assert.That(meter.Scores()["accuracy"], Is.EqualTo(2 / 3.0).Within(1e-12));
        Assert.That((meter.Scores()["precision"], meter.Scores()["recall"]), Is.EqualTo((2 / 3.0, 1.0)));
        var unnamed = new TagMeter(["A", "B-X"]);
        unnamed.Add(batch, new float[12]);
        Assert.That(unnamed.Scores().Keys, Is.EqualTo(["accuracy"]));
    }

    [Test]
    public void Answers_are_chosen_over_all_windows_of_a_question()
    {
        var row = new QuestionRow(Place, "q", "abcdef", [new AnswerSpan("d", 3)]);
        var windows = new QuestionEncoder(new Tests.Data.CharacterEncoder { AddsBos = true, AddsEos = true },
            new EncodeOptions { MaxSeqLength = 7, Stride = 0 }, new EncodeReport()).Encode([row]);
        var meter = new AnswerMeter();
        foreach (var window in windows)
        {
            float[] logits = new float[2 * window.Ids.Length];
            (int start, int end) = window.Span!.Value;
            logits[start] = logits[window.Ids.Length + end] = start > 0 ? 5 : 1;
            meter.Add(Batch(window), logits);
        }
        Assert.That(windows, Has.Count.EqualTo(2));
        Assert.That(meter.Scores(), Is.EqualTo(new Dictionary<string, double> { ["exact_match"] = 100, ["f1"] = 100 }));
    }

    [Test]
    public void The_best_evaluation_is_chosen_by_the_metric()
    {
        var options = new TrainerOptions { MetricForBestModel = "accuracy", EarlyStoppingPatience = 2 };
        var state = new TrainerState { BestMetric = "accuracy" };
        bool Add(int step, double loss, double accuracy)
        {
            state.Step = step;
            return state.AddEvaluation(new EvaluationResult(loss, 1, new() { ["accuracy"] = accuracy }), options);
        }
        Assert.That((Add(1, 0.5, 0.6), Add(2, 0.7, 0.8), Add(3, 0.1, 0.7)), Is.EqualTo((true, true, false)));
        Assert.That((state.BestStep, state.BestLoss, state.StoppedEarly), Is.EqualTo((2, 0.7, false)));
        Add(4, 0.1, 0.7);
        Assert.That(state.StoppedEarly);
    }

    [Test]
    public void The_loss_chooses_without_a_metric()
    {
        var state = new TrainerState { Step = 1 };
        Assert.That(state.AddEvaluation(new EvaluationResult(0.5, 1), new TrainerOptions()));
        Assert.That(state.AddEvaluation(new EvaluationResult(0.6, 1), new TrainerOptions()), Is.False);
    }

    [TestCase(ModelTask.CausalLm, "expected loss, the metrics")]
    [TestCase(ModelTask.TokenClassification, "expected loss or accuracy or precision or recall or f1")]
    public void A_metric_of_another_task_is_refused(ModelTask task, string expected)
    {
        var options = new TrainerOptions { MetricForBestModel = "rouge" };
        Assert.That(() => options.CheckMetric(task), Throws.TypeOf<BadInputException>().With.Message.Contains(
            "metric_for_best_model is \"rouge\", " + expected));
        Assert.That(() => options.Check(canEvaluate: false), Throws.TypeOf<BadInputException>().With.Message.Contains("no data to evaluate on"));
        Assert.That(() => new TrainerOptions { MetricForBestModel = "f1" }.BadnessOf(new EvaluationResult(1, 1, new() { ["mse"] = 2 })),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the evaluation has only mse"));
    }

    private static Example Sample(int length) => Example.Unlabelled(new int[length]);

    private static Batch Batch(params Example[] samples) => new Collator(0).Collate(samples);
}
