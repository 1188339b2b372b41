using System.CommandLine;
using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Session.Fit;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Verbs;

/// <summary>Prints the memory plan of a training step: bytes by kind and layer, peak, floating-point operations. No weights are
/// allocated.</summary>
internal sealed class PlanVerb : Verb
{
    private readonly Settings<TrainOptions> _settings = new(SettingRules.Plan);

    private readonly Option<string?> _config = new("--config")
    {
        Description = "a config.json alone, instead of a model directory",
        HelpName = "FILE"
    };

    private readonly Option<bool> _fit = FitReport.NewFlag("find settings that keep within the memory, the fastest first: of " +
        "batch, length, checkpointing, dtype and quantisation those that are not given");

    public PlanVerb() : base("plan", "Say what a training step will take, before anything is allocated.")
    {
        _settings.AddTo(this);
        Add(_config);
        Add(_fit, HelpGroups.Device);
    }

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        var source = new ModelSource(options, call.Value(_config), Warn: call.Terminal.Warn);
        if (call.Value(_fit))
        {
            return FitReport.Print(call, source);
        }
        long ownBytes = OwnBytes.Of(options);
        var plan = source.Plan(ownBytes);
        int length = source.Length(), targets = source.TargetLength();
        double flops = plan.ForwardFlops + plan.BackwardFlops;
        call.Say($"{plan.Parameters:N0} parameters, {plan.TrainableParameters:N0} of them train; batch {source.BatchText()}");
        if (source.Unknown is { } unknown)
        {
            call.Say(unknown);
        }
        call.Say();
        var kinds = plan.AtPeak.Where(kind => kind.Value > 0).OrderByDescending(kind => kind.Value).ToList();
        call.Table([["at the peak", "bytes"], .. kinds.Select(kind => new[] { Word(kind.Key), $"{new ByteSize(kind.Value)}" }),
            ["peak", $"{new ByteSize(plan.PeakBytes)}"]], hasHeader: true, 1);
        call.Say($"  reached in {(plan.PeakPlace.Length == 0 ? "the step" : plan.PeakPlace)}; loading takes " +
            $"{new ByteSize(plan.LoadingPeakBytes)}; the arena reserves {new ByteSize(plan.ReservedBytes)}");
        call.Say();
        call.Table([["kept for backward", "bytes"], .. Blocks(plan).Select(block => new[] { block.Path, $"{new ByteSize(block.Bytes)}" }),
            ["all", $"{new ByteSize(plan.SavedBytes)}"]], hasHeader: true, 1);
        call.Say();
        SayPlaces(call, plan);
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{flops / 1e9:N1} GFLOP a step: {plan.ForwardFlops / 1e9:N1} forward, {plan.BackwardFlops / 1e9:N1} backward"));
        var report = Report(plan, options, length);
        if (targets > 0)
        {
            report.Add("max_target_length", targets);
        }
        if (MemoryRefusal.Of(plan, options, ownBytes) is { } refusal)
        {
            call.Say($"this does not fit: {refusal}");
            return VerbResult.Failed(report);
        }
        return VerbResult.Done(report);
    }

    /// <summary>Says where the weights of each block are kept, if not all are on the device, and what a step copies.</summary>
    private static void SayPlaces(Invocation call, MemoryPlan plan)
    {
        if (plan.Blocks.Any(block => block.Place != "device"))
        {
            call.Table([["frozen weights of", "bytes", "kept on"],
                .. plan.Blocks.Select(block => new[] { block.Path, $"{new ByteSize(block.Bytes)}", block.Place })], hasHeader: true, 1);
        }
        if (plan.HostBytes > 0)
        {
            call.Say($"{new ByteSize(plan.HostBytes)} of host memory; {new ByteSize(plan.StreamedBytes)} copied to the device a step");
            call.Say();
        }
    }

    /// <summary>The saved bytes of each block: the sum over its modules.</summary>
    private static IEnumerable<(string Path, long Bytes)> Blocks(MemoryPlan plan) => plan.Layers
        .GroupBy(layer => Block(layer.Path)).Select(group => (group.Key, group.Sum(layer => layer.SavedBytes)))
        .Where(block => block.Item2 > 0);

    private static string Block(string path)
    {
        string[] parts = path.Split('.');
        return parts.Length == 0 || path.Length == 0 ? "model" : parts.Length > 1 && NumberText.TryDigits(parts[1], out _) ? parts[0] +
            "." + parts[1] : parts[0];
    }

    private static JsonReport Report(MemoryPlan plan, TrainOptions options, int length)
    {
        var kinds = new JsonReport();
        foreach (var (kind, bytes) in plan.AtPeak)
        {
            kinds.Add(Word(kind), bytes);
        }
        return new JsonReport().Add("planned_bytes", plan.PeakBytes).Add("loading_bytes", plan.LoadingPeakBytes)
            .Add("reserved_bytes", plan.ReservedBytes)
            .Add("standing_bytes", plan.StandingBytes)
            .Add("saved_bytes", plan.SavedBytes).Add("at_peak", kinds).Add("peak_place", plan.PeakPlace)
            .Add("layers", Blocks(plan).Select(block => new JsonReport().Add("path", block.Path).Add("saved_bytes", block.Bytes)))
            .Add("host_bytes", plan.HostBytes).Add("streamed_bytes", plan.StreamedBytes)
            .Add("blocks", plan.Blocks.Select(block => new JsonReport().Add("path", block.Path).Add("weight_bytes", block.Bytes)
                .Add("place", block.Place)))
            .Add("forward_flops", plan.ForwardFlops).Add("backward_flops", plan.BackwardFlops)
            .Add("parameters", plan.Parameters).Add("trainable", plan.TrainableParameters).Add("batch_size", options.BatchSize)
            .Add("max_seq_length", length);
    }

    private static string Word(MemoryKind kind) => kind.ToString().ToLowerInvariant();
}
