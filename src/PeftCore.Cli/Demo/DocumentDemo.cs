using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Verbs;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Cli.Demo;

/// <summary>The demo of documents: a small LayoutLM with random weights learns to find company, day of payment and total of
/// invoices.</summary>
internal sealed class DocumentDemo(DemoOptions demo, string output, Invocation call)
{
    private const int UsualSteps = 150, TrainForms = 96;

    private readonly string _base = Path.Combine(output, "base"), _forms = Path.Combine(output, "forms");

    public DemoOutcome Run()
    {
        DemoForms.Write(_forms, TrainForms, demo.Seed);
        DemoLayoutLm.Write(_base, demo.Seed);
        int steps = demo.MaxSteps ?? UsualSteps;
        var options = new TrainOptions
        {
            Model = _base,
            Task = TaskNames.Of(ModelTask.TokenClassification),
            Data = _forms,
            OutputDir = Path.Combine(output, "run"),
            TargetModules = ModuleSelector.AllLinear,
            LoraR = 8,
            LoraAlpha = 16,
            LearningRate = 1e-2,
            LrSchedulerType = "cosine",
            WarmupRatio = 0.05,
            BatchSize = 8,
            MaxSteps = steps,
            EvalSteps = Math.Max(1, steps / 3),
            SaveSteps = steps,
            LoggingSteps = Math.Max(1, steps / 6),
            Device = demo.Device,
            Threads = demo.Threads,
            Seed = demo.Seed,
        };
        call.Say("A LayoutLM with random weights learns to find company, day of payment and total of invoices, of which it sees " +
            $"{TrainForms}. Their words come in a random order, so that only the boxes tell which date and which amount is meant.");
        call.Say();
        using var session = ModelSession.OpenUnloaded(Devices.Open(demo.Device, demo.Threads), _base, task: TaskChoice.Of(options));
        var job = new TrainingJob(session, options, call);
        call.Say(session.Model.TrainableSummary);
        var rows = job.Setup.OpenForEvaluation(_forms, call);
        var test = job.Setup.Loader(job.Setup.Encode(rows, call), train: false);
        var before = Evaluation.Run(session.Model.Base, test.Epoch());
        var result = job.Run();
        var after = Evaluation.Run(session.Model.Base, test.Epoch());
        call.Say();
        Show(job, rows[0]);
        var outcome = new DemoOutcome(before.Loss, after.Loss,
            new FileInfo(Path.Combine(output, "run", "adapter_model.safetensors")).Length,
            new FileInfo(Path.Combine(_base, "model.safetensors")).Length, job.Plan.PeakBytes, result.PeakBytes,
            Disagreement(session, job, rows[0]))
        {
            Metric = ("f1", before.Metrics["f1"], after.Metrics["f1"]),
        };
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"F1 of the entities of {rows.Count} forms that were held out: {before.Metrics["f1"]:0.000} before, " +
            $"{after.Metrics["f1"]:0.000} after; " +
            $"loss {outcome.LossBefore:0.000} before, {outcome.LossAfter:0.000} after"));
        call.Say($"adapter {new ByteSize(outcome.AdapterBytes)}, model {new ByteSize(outcome.ModelBytes)}; memory planned " +
            $"{new ByteSize(outcome.PlannedBytes)}, measured {new ByteSize(outcome.PeakBytes)}");
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"adapter saved, loaded again, merged into the model: their probabilities differ by at most {outcome.Disagreement:0.0e+00}"));
        return outcome;
    }

    /// <summary>The words of a form that are tagged, as a table and as a drawing.</summary>
    private void Show(TrainingJob job, DataRow form)
    {
        var tags = job.Setup.TagsOf(form, call);
        var boxes = DemoForms.FirstBoxes(Path.Combine(_forms, "test.jsonl"));
        AtomicFile.WriteAllText(Path.Combine(output, "form.svg"),
            PagePlot.Svg([.. tags.Select((found, i) => (found.Word, boxes[i], found.Tag))]));
        var tagged = tags.Where(found => found.Tag != "O");
        call.Table([["word", "tag", "probability"], .. tagged.Select(found => new[]
            { found.Word, found.Tag, found.Probability.ToString("0.0 %", CultureInfo.InvariantCulture) })], hasHeader: true, 2);
        call.Say();
    }

    /// <summary>The largest difference between the probabilities of one form by the adapter in memory, the saved one, and the merged
    /// model.</summary>
    private double Disagreement(ModelSession session, TrainingJob job, DataRow form)
    {
        string adapter = Path.Combine(output, "run"), merged = Path.Combine(output, "merged");
        double[] trained = Probabilities(job, session.Model.Base, form);
        var reloaded = new PeftModel(ModelLoader.Load(_base, session.Backend, task: SavedAdapter.TaskOf(adapter)));
        reloaded.Load(adapter);
        double[] loaded = Probabilities(job, reloaded.Base, form);
        ModelWriter.Save(reloaded.MergeAndUnload(), merged, _base);
        reloaded.Base.Dispose();
        var whole = ModelLoader.Load(merged, session.Backend);
        double[] united = Probabilities(job, whole, form);
        whole.Dispose();
        return trained.Select((p, i) => Math.Max(Math.Abs(p - loaded[i]), Math.Abs(p - united[i]))).Max();
    }

    private double[] Probabilities(TrainingJob job, TransformerModel model, DataRow form) =>
        [.. job.Setup.TagsOf(form, call, model).Select(found => found.Probability)];
}
