using System.CommandLine;
using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Session.Fit;
using PeftCore.Training;

namespace PeftCore.Cli.Verbs;

/// <summary>Fine-tunes a model with an adapter.</summary>
internal sealed class TrainVerb : Verb
{
    private readonly Settings<TrainOptions> _settings = new(SettingRules.Train);

    private readonly Option<bool> _fit = FitReport.NewFlag("train with the first proposal of plan --fit, which keeps within the memory");

    public TrainVerb() : base("train", "Fine-tune a model.")
    {
        _settings.AddTo(this);
        Add(_fit, HelpGroups.Device);
    }

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        string output = options.OutputDir
            ?? throw new BadInputException("expected --output-dir DIR, where the adapter, the log and checkpoints go.");
        Resumption.CheckOutput(output, options, call);
        if (call.Value(_fit))
        {
            options = FittedRun.Choose(call, options);
        }
        var backend = Devices.Open(options.Device, options.Threads, options.MaxMemory, options.Dtype, !options.NoReplay,
            options.PackWeights);
        using var session = ModelSession.OpenUnloaded(backend, options.Model, BaseLoading.StoredAs(options), call.Terminal.Warn,
            options.ResizeTokenEmbeddings, TaskChoice.Of(options), options.Quantization.ToOptions());
        var job = new TrainingJob(session, options, call);
        var plan = job.Plan;
        var settings = _settings.Resolve(options);
        string? differences = Resumption.Differences(options, settings);
        call.Note(differences);
        job.SaveSettings(settings);
        call.Say(session.Model.TrainableSummary);
        call.Say(job.Sizes);
        call.Say($"memory planned: {new ByteSize(plan.PeakBytes)} at the peak, {new ByteSize(plan.StandingBytes)} of it all the time");
        try
        {
            var result = job.Run();
            job.SaveForPipeline(result);
            Receipt.Write(options, settings, plan, isFinished: !result.Interrupted, differences);
            return Report(call, options, result, job);
        }
        catch (TrainingDivergedException e)
        {
            call.Terminal.Note($"peftcore: {e.Message}");
            return VerbResult.Failed(new JsonReport().Add("error", e.Message).Add("output_dir", options.OutputDir));
        }
    }

    private static VerbResult Report(Invocation call, TrainOptions options, TrainingResult result, TrainingJob job)
    {
        bool wasFinished = options.ResumeFromCheckpoint is not null && job.StepsRun == 0 && !result.Interrupted;
        string ended = wasFinished ? Resumption.Finished(result, job.TotalSteps)
            : result.Interrupted ? $"stopped at step {result.Steps}; go on with --resume-from-checkpoint {result.Checkpoint}"
            : result.StoppedEarly ? $"stopped early at step {result.Steps}: the held-out {options.MetricForBestModel ?? "loss"} got no " +
                $"better (best at step {result.BestStep})"
            : $"done after {result.Steps} steps";
        string eval = result.EvalLoss is { } loss ? FormattableString.Invariant($", held-out loss {loss:0.0000}") : "";
        // A run that was resumed or interrupted may end with parameters that it did not evaluate.
        var measured = job.Final?.Result.Loss == result.EvalLoss ? job.Final : null;
        if (measured is { } evaluation)
        {
            eval += MetricsText.Of(evaluation.Result)
                + (options.LoadBestModelAtEnd ? $" (of step {evaluation.Step}, the best by {options.MetricForBestModel ?? "loss"})" : "");
        }
        // Models of pictures and sound read no tokens.
        string speed = result.TokensPerSecond > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{result.TokensPerSecond:N0} tok/s, ") : "";
        if (result.Interrupted)
        {
            call.Terminal.Note($"peftcore: {ended}");
        }
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{ended}{(wasFinished ? "; " : ": ")}train loss {result.TrainLoss:0.0000}{eval}, {speed}peak " +
            $"{new ByteSize(result.PeakBytes)}"));
        call.Say(options.OutputDir!);
        var report = new JsonReport().Add("train_loss", result.TrainLoss).Add("eval_loss", result.EvalLoss).Add("steps", result.Steps)
            .Add("tok_s", result.TokensPerSecond).Add("peak_bytes", result.PeakBytes).Add("output_dir", options.OutputDir)
            .Add("interrupted", result.Interrupted).Add("stopped_early", result.StoppedEarly).Add("was_finished", wasFinished);
        foreach (var (name, value) in measured is { } last ? MetricsText.Defined(last.Result) : [])
        {
            report.Add($"eval_{name}", value);
        }
        return result.Interrupted ? VerbResult.Failed(report) : VerbResult.Done(report);
    }
}
