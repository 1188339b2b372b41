using System.Diagnostics;
using System.Globalization;
using PeftCore.Cli.Demo;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Verbs;

/// <summary>Plans, trains, compares, saves, reloads and merges on the bundled model and data, in under a minute.</summary>
internal sealed class DemoVerb : Verb
{
    /// <summary>The largest allowed difference between logits of adapter, reloaded adapter and merged model, relative to the largest
    /// logit.</summary>
    private const double LargestDisagreement = 1e-4;

    private readonly Settings<DemoOptions> _settings = new(SettingRules.Demo);

    public DemoVerb() : base("demo", "Fine-tune the bundled model on the bundled data and show what changes.") => _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        if (options is { Vision: true, Documents: true })
        {
            throw new BadInputException("--vision and --documents are two demos; leave one of them out.");
        }
        if (options.OutputDir is { } kept)
        {
            OutputDirectory.RefuseFile(kept);
            OutputDirectory.Check(Path.Combine(kept, "run"), OutputKind.Run);
            OutputDirectory.Check(Path.Combine(kept, "merged"), OutputKind.Model);
        }
        var clock = Stopwatch.StartNew();
        using var temporary = options.OutputDir is null ? new TemporaryDirectory() : null;
        string output = options.OutputDir ?? temporary!.FullPath;
        if (options.Vision)
        {
            return Vision(options, output, temporary is null, call);
        }
        if (options.Documents)
        {
            return Documents(options, output, temporary is null, call);
        }
        var outcome = new DemoRun(options, output, call).Run();
        double seconds = clock.Elapsed.TotalSeconds;
        bool agree = outcome.Disagreement <= LargestDisagreement;
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{(agree ? "all three agree" : "they DISAGREE")}; done in {seconds:0.0} s{(temporary is null ? ", see " + output : "")}"));
        var report = new JsonReport().Add("eval_loss_before", outcome.LossBefore).Add("eval_loss_after", outcome.LossAfter)
            .Add("seconds", seconds)
            .Add("adapter_bytes", outcome.AdapterBytes).Add("model_bytes", outcome.ModelBytes).Add("planned_bytes", outcome.PlannedBytes)
            .Add("peak_bytes", outcome.PeakBytes).Add("max_disagreement", outcome.Disagreement);
        return agree && outcome.LossAfter < outcome.LossBefore ? VerbResult.Done(report) : VerbResult.Failed(report);
    }

    private static VerbResult Documents(DemoOptions options, string output, bool isKept, Invocation call)
    {
        var clock = Stopwatch.StartNew();
        var outcome = new DocumentDemo(options, output, call).Run();
        double seconds = clock.Elapsed.TotalSeconds;
        bool agree = outcome.Disagreement <= LargestDisagreement;
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{(agree ? "all three agree" : "they DISAGREE")}; done in {seconds:0.0} s{(isKept ? ", see " + output : "")}"));
        var report = new JsonReport().Add("f1_before", outcome.F1Before).Add("f1_after", outcome.F1After)
            .Add("eval_loss_before", outcome.LossBefore).Add("eval_loss_after", outcome.LossAfter).Add("seconds", seconds)
            .Add("adapter_bytes", outcome.AdapterBytes).Add("model_bytes", outcome.ModelBytes).Add("planned_bytes", outcome.PlannedBytes)
            .Add("peak_bytes", outcome.PeakBytes).Add("max_disagreement", outcome.Disagreement);
        return agree && outcome.LossAfter < outcome.LossBefore ? VerbResult.Done(report) : VerbResult.Failed(report);
    }

    private static VerbResult Vision(DemoOptions options, string output, bool isKept, Invocation call)
    {
        var clock = Stopwatch.StartNew();
        var outcome = new VisionDemo(options, output, call).Run();
        double seconds = clock.Elapsed.TotalSeconds;
        bool agree = outcome.Disagreement <= LargestDisagreement;
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{(agree ? "all three agree" : "they DISAGREE")}; done in {seconds:0.0} s{(isKept ? ", see " + output : "")}"));
        var report = new JsonReport().Add("accuracy_before", outcome.AccuracyBefore).Add("accuracy_after", outcome.AccuracyAfter)
            .Add("eval_loss_before", outcome.LossBefore).Add("eval_loss_after", outcome.LossAfter).Add("seconds", seconds)
            .Add("adapter_bytes", outcome.AdapterBytes).Add("model_bytes", outcome.ModelBytes).Add("planned_bytes", outcome.PlannedBytes)
            .Add("peak_bytes", outcome.PeakBytes).Add("max_disagreement", outcome.Disagreement);
        return agree && outcome.LossAfter < outcome.LossBefore ? VerbResult.Done(report) : VerbResult.Failed(report);
    }
}
