using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Verbs;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Cli.Demo;

/// <summary>The steps of the demo, in the order a user would take them.</summary>
internal sealed class DemoRun(DemoOptions demo, string output, Invocation call)
{
    private const int Samples = 3, UsualSteps = 250;
    private const int SampleTokens = 64;

    private static readonly string Bundled = Path.Combine(AppContext.BaseDirectory, "Demo");

    /// <summary>Directory of the bundled model.</summary>
    public static readonly string BaseModel = Path.Combine(Bundled, "base-llama");

    /// <summary>Directory of the bundled data.</summary>
    public static readonly string Data = Path.Combine(Bundled, "data");

    private readonly TrainOptions _options = new()
    {
        Model = BaseModel,
        Data = Data,
        OutputDir = Path.Combine(output, "run"),
        TargetModules = ModuleSelector.AllLinear,
        LoraR = 16,
        LoraAlpha = 32,
        LearningRate = 5e-3,
        LrSchedulerType = "cosine",
        WarmupRatio = 0.05,
        BatchSize = 8,
        MaxSteps = demo.MaxSteps ?? UsualSteps,
        MaxSeqLength = 128,
        EvalSteps = Math.Max(1, (demo.MaxSteps ?? UsualSteps) / 3),
        SaveSteps = demo.MaxSteps ?? UsualSteps,
        LoggingSteps = Math.Max(1, (demo.MaxSteps ?? UsualSteps) / 15),
        Device = demo.Device,
        Threads = demo.Threads,
        Seed = demo.Seed,
    };

    public DemoOutcome Run()
    {
        var held = DataFiles.Open(Data).Validation!.Select(row => row.PromptAndCompletion!.Value).ToList();
        using var session = ModelSession.Open(Devices.Open(demo.Device, demo.Threads), BaseModel);
        call.Say("A 3.2-million-parameter model that has read old books learns to turn a sentence about an appointment into a record.");
        call.Say();
        Show("before", session, held);
        var job = new TrainingJob(session, _options, call);
        long planned = job.Plan.PeakBytes;
        double before = Evaluate(session, job);
        call.Say(session.Model.TrainableSummary);
        call.Say(string.Create(CultureInfo.InvariantCulture, $"held-out loss before: {before:0.0000}"));
        var result = job.Run();
        double after = Evaluate(session, job);
        call.Say();
        Show("after", session, held);
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"held-out loss: {before:0.0000} before, {after:0.0000} after ({(1 - after / before) * 100:0} % lower)"));
        long adapterBytes = FileBytes(Path.Combine(output, "run", "adapter_model.safetensors"));
        long modelBytes = FileBytes(Path.Combine(BaseModel, "model.safetensors"));
        call.Say($"adapter {new ByteSize(adapterBytes)}, model {new ByteSize(modelBytes)}; memory planned {new ByteSize(planned)}, " +
            $"measured {new ByteSize(result.PeakBytes)}");
        double disagreement = new DemoAgreement(session, held).Measure(Path.Combine(output, "run"), Path.Combine(output, "merged"));
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"adapter saved, loaded again, merged into the model: their logits differ by at most {disagreement:0.0e+00} of the largest"));
        return new DemoOutcome(before, after, adapterBytes, modelBytes, planned, result.PeakBytes, disagreement);
    }

    private static double Evaluate(ModelSession session, TrainingJob job) =>
        RunFailedException.Finite(Evaluation.Run(session.Model.Base, job.Held!.Epoch()).Loss, "the held-out loss");

    private void Show(string when, ModelSession session, IReadOnlyList<(string Prompt, string Completion)> held)
    {
        var generation = new TextGeneration(session);
        foreach (var row in held.Take(Samples))
        {
            string text = generation.Continue(row.Prompt, new GenerationOptions { MaxNewTokens = SampleTokens }, stop: call.Stop).Text;
            call.Say($"[{when}] {row.Prompt.Trim()}");
            foreach (string line in text.Trim().Split('\n'))
            {
                call.Say("    " + line);
            }
            call.Say();
        }
    }

    private static long FileBytes(string path) => new FileInfo(path).Length;
}

/// <summary>The demo's measurements.</summary>
internal sealed record DemoOutcome(double LossBefore, double LossAfter, long AdapterBytes, long ModelBytes, long PlannedBytes,
    long PeakBytes, double Disagreement)
{
    /// <summary>The metric of the task beside the loss, on the held-out data before and after training; null if there is none.</summary>
    public (string Name, double Before, double After)? Metric { get; init; }
}
