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
        var outcome = options.Vision ? new VisionDemo(options, output, call).Run()
            : options.Documents ? new DocumentDemo(options, output, call).Run() : new DemoRun(options, output, call).Run();
        double seconds = clock.Elapsed.TotalSeconds;
        bool agree = outcome.Disagreement <= LargestDisagreement;
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{(agree ? "all three agree" : "they DISAGREE")}; done in {seconds:0.0} s{(temporary is null ? ", see " + output : "")}"));
        var report = new JsonReport();
        if (outcome.Metric is var (metric, first, last))
        {
            report.Add($"{metric}_before", first).Add($"{metric}_after", last);
        }
        report.Add("eval_loss_before", outcome.LossBefore).Add("eval_loss_after", outcome.LossAfter).Add("seconds", seconds)
            .Add("adapter_bytes", outcome.AdapterBytes).Add("model_bytes", outcome.ModelBytes).Add("planned_bytes", outcome.PlannedBytes)
            .Add("peak_bytes", outcome.PeakBytes).Add("max_disagreement", outcome.Disagreement);
        return agree && outcome.LossAfter < outcome.LossBefore ? VerbResult.Done(report) : VerbResult.Failed(report);
    }
}
