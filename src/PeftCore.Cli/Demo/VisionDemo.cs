using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Verbs;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Cli.Demo;

/// <summary>The demo of pictures: a small vision transformer that knows animals learns shapes.</summary>
internal sealed class VisionDemo(DemoOptions demo, string output, Invocation call)
{
    private const int UsualSteps = 60, TrainPictures = 24;

    private static readonly string BaseModel = Path.Combine(AppContext.BaseDirectory, "Demo", "base-vit");

    private readonly string _pictures = Path.Combine(output, "pictures");

    public DemoOutcome Run()
    {
        DemoPictures.Draw(_pictures, TrainPictures, demo.Seed);
        int steps = demo.MaxSteps ?? UsualSteps;
        var options = new TrainOptions
        {
            Model = BaseModel,
            Data = _pictures,
            OutputDir = Path.Combine(output, "run"),
            LoraR = 8,
            LoraAlpha = 16,
            LearningRate = 3e-3,
            Flip = true,
            LrSchedulerType = "cosine",
            WarmupRatio = 0.05,
            BatchSize = 12,
            MaxSteps = steps,
            EvalSteps = Math.Max(1, steps / 3),
            SaveSteps = steps,
            LoggingSteps = Math.Max(1, steps / 6),
            Device = demo.Device,
            Threads = demo.Threads,
            Seed = demo.Seed,
        };
        call.Say("A 1.0-million-parameter vision transformer that was trained on photographs of six animals learns to tell " +
            $"{string.Join(", ", DemoPictures.Classes.SkipLast(1))} and {DemoPictures.Classes[^1]} apart, of which it sees " +
            $"{DemoPictures.Classes.Count * TrainPictures} pictures.");
        call.Say();
        using var session = ModelSession.OpenUnloaded(Devices.Open(demo.Device, demo.Threads), BaseModel);
        var job = new TrainingJob(session, options, call);
        call.Say(session.Model.TrainableSummary);
        var test = job.Setup.Loader(job.Setup.Encode(job.Setup.OpenForEvaluation(_pictures, call), call), train: false);
        var before = Evaluation.Run(session.Model.Base, test.Epoch());
        var result = job.Run();
        var after = Evaluation.Run(session.Model.Base, test.Epoch());
        ConfusionPlot.Draw(Path.Combine(output, "confusion.svg"), session.Model.Base.Labels, after.Confusion!);
        call.Say();
        Table(after);
        var outcome = new DemoOutcome(before.Loss, after.Loss,
            new FileInfo(Path.Combine(output, "run", "adapter_model.safetensors")).Length,
            new FileInfo(Path.Combine(BaseModel, "model.safetensors")).Length, job.Plan.PeakBytes, result.PeakBytes,
            Disagreement(session))
        {
            Metric = ("accuracy", before.Metrics["accuracy"], after.Metrics["accuracy"]),
        };
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"of {after.Tokens} pictures that were held out, {before.Metrics["accuracy"]:0.0 %} are right before and " +
            $"{after.Metrics["accuracy"]:0.0 %} after; loss {outcome.LossBefore:0.000} before, {outcome.LossAfter:0.000} after"));
        call.Say($"adapter {new ByteSize(outcome.AdapterBytes)}, model {new ByteSize(outcome.ModelBytes)}; memory planned " +
            $"{new ByteSize(outcome.PlannedBytes)}, measured {new ByteSize(outcome.PeakBytes)}");
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"adapter saved, loaded again, merged into the model: their probabilities differ by at most {outcome.Disagreement:0.0e+00}"));
        return outcome;
    }

    /// <summary>The confusion matrix in words.</summary>
    private void Table(EvaluationResult result)
    {
        var classes = DemoPictures.Classes;
        call.Table([["picture \\ predicted", .. classes],
            .. result.Confusion!.Select((row, i) => (string[])[classes[i], .. row.Select(count => $"{count}")])],
            hasHeader: true, [.. Enumerable.Range(1, classes.Count)]);
        call.Say();
    }

    /// <summary>The largest difference between the probabilities of one picture by the adapter in memory, the saved one, and the merged
    /// model.</summary>
    private double Disagreement(ModelSession session)
    {
        string adapter = Path.Combine(output, "run"), merged = Path.Combine(output, "merged");
        string picture = Path.Combine(_pictures, "test", DemoPictures.Classes[0], "00.png");
        var trained = Probabilities(session, session.Model.Base, picture);
        // In F32, so that rounding the merged weights back to the file's bf16 does not affect the comparison.
        var reloaded = new PeftModel(ModelLoader.Load(BaseModel, session.Backend, Tensors.DType.F32, task: SavedAdapter.TaskOf(adapter)));
        reloaded.Load(adapter);
        var loaded = Probabilities(session, reloaded.Base, picture);
        ModelWriter.Save(reloaded.MergeAndUnload(), merged, BaseModel);
        reloaded.Base.Dispose();
        var whole = ModelLoader.Load(merged, session.Backend);
        var united = Probabilities(session, whole, picture);
        whole.Dispose();
        return trained.Keys.Max(name => Math.Max(Math.Abs(trained[name] - loaded[name]), Math.Abs(trained[name] - united[name])));
    }

    private static Dictionary<string, double> Probabilities(ModelSession session, TransformerModel model, string picture) =>
        session.Pictures.Classify(model, picture).ToDictionary(found => found.Label, found => found.Probability);
}
