using System.CommandLine;
using PeftCore.Cli.Explain;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Training;

namespace PeftCore.Cli.Verbs;

/// <summary>Explains a training step: what trains, what each op saves for backward and why, where backward stops, and the memory over time,
/// beside full fine-tuning. All of it is the trace of a planned step; no weights are allocated.</summary>
internal sealed class ExplainVerb : Verb
{
    private const string Full = "full";

    private static readonly string BundledModel = Path.Combine(AppContext.BaseDirectory, "Demo", "base-llama");

    private readonly Settings<TrainOptions> _settings = new(SettingRules.Plan);

    private readonly Option<string?> _config = new("--config")
    {
        Description = "a config.json alone, instead of a model directory",
        HelpName = "FILE"
    };

    private readonly Option<string?> _compared = new("--compare-method")
    {
        Description = "one more method beside it, with fields of its configuration in brackets",
        HelpName = "NAME[x=1]"
    };

    private readonly Option<string?> _page = new("--html")
    {
        Description = "write a page to look through in a browser, which loads nothing from elsewhere",
        HelpName = "FILE"
    };

    private readonly Option<bool> _all = new("--all") { Description = "show every block, also those like the one before" };

    public ExplainVerb() : base("explain", "Show what a training step keeps in memory, op by op, and why.")
    {
        _settings.AddTo(this);
        Add(_config);
        Add(_compared);
        Add(_page);
        Add(_all);
    }

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        string? config = call.Value(_config);
        if (options.Model is null && config is null)
        {
            options = options with { Model = BundledModel };
        }
        var source = new ModelSource(options, config, Warn: call.Terminal.Warn);
        var step = new ExplainedStep(options.Method, source.Plan());
        var others = new List<ExplainedStep>();
        string? noFull = MethodSpec.MethodOf(options.Method) == Full ? "the method is full fine-tuning itself" : null;
        if (noFull is null)
        {
            try
            {
                others.Add(new ExplainedStep(Full, Beside(source, MethodSpec.Parse(Full)).Plan()));
            }
            catch (BadInputException e)
            {
                noFull = e.Message;
            }
        }
        if (call.Value(_compared) is { } name)
        {
            others.Add(new ExplainedStep(name, Beside(source, MethodSpec.Parse(name)).Plan()));
        }
        Say(call, source, step, others, noFull);
        var report = Report(source, step, others, noFull);
        if (call.Value(_page) is { } page)
        {
            ExplainPage.Write(page, report);
            call.Say();
            call.Say($"the page is {page}");
        }
        if (MemoryRefusal.Of(step.Plan, options) is { } refusal)
        {
            call.Say($"this does not fit: {refusal}");
            return VerbResult.Failed(report);
        }
        return VerbResult.Done(report);
    }

    /// <summary>The same step with another method. Full fine-tuning has no quantised weights, no limit of memory, and AdamW where the
    /// optimizer is one of LoRA's.</summary>
    private static ModelSource Beside(ModelSource source, MethodSpec method) => source with
    {
        Adapted = method.Config(source.Options.Model),
        Options = method.Method == Full ? OfFull(source.Options) : source.Options,
        Warn = null,
    };

    private static TrainOptions OfFull(TrainOptions options) => options with
    {
        Quantization = new(),
        Limits = null,
        Optimizer = options.IsLoraOptimizer ? OptimizerKind.AdamW : options.Optimizer,
    };

    private void Say(Invocation call, ModelSource source, ExplainedStep step, List<ExplainedStep> others, string? noFull)
    {
        bool all = call.Value(_all);
        var plan = step.Plan;
        call.Say($"{ModelName(source)}, {step.Name}: {plan.TrainableParameters:N0} of {plan.Parameters:N0} parameters train; batch " +
            source.BatchText());
        if (source.Options.GradientAccumulationSteps > 2)
        {
            call.Say($"a step has {source.Options.GradientAccumulationSteps} micro batches; two are shown, because further ones are like " +
                "the second");
        }
        if (source.Unknown is { } unknown)
        {
            call.Say(unknown);
        }
        call.Say();
        call.Table(ModuleTree.Of(step, ModelName(source)).Rows(all), hasHeader: true, 2, 3, 4);
        var ops = new OpText(step, all);
        Section(call, "the forward pass, op by op, and what backward needs of it", ops.Forward());
        Section(call, "what backward runs again", ops.RunAgain());
        Section(call, "where backward stops", Stops(step));
        call.Say();
        call.Table(MemoryText.Moments(step), hasHeader: true, [.. Enumerable.Range(1, 9)]);
        ExplainedStep[] steps = [step, .. others];
        long most = steps.Max(other => other.PeakBytes);
        Section(call, $"memory from the first op to the update, up to {new ByteSize(most)}",
            steps.Select(other => $"{other.Name.PadRight(steps.Max(s => s.Name.Length))}  {MemoryText.Line(other, most)}"));
        call.Say();
        call.Table(MemoryText.Beside(steps), hasHeader: true, [.. Enumerable.Range(1, steps.Length)]);
        if (noFull is null && source.Options.IsLoraOptimizer)
        {
            call.Say($"full fine-tuning beside it is with adamw, because {TrainOptions.NameOf(source.Options.Optimizer)} is for LoRA");
        }
        if (noFull is not null)
        {
            call.Say($"no full fine-tuning beside it: {noFull}");
        }
    }

    private static void Section(Invocation call, string heading, IEnumerable<string> lines)
    {
        bool isEmpty = true;
        foreach (string line in lines)
        {
            if (isEmpty)
            {
                call.Say();
                call.Say(heading);
                isEmpty = false;
            }
            call.Say(line);
        }
    }

    private static IEnumerable<string> Stops(ExplainedStep step) => step.Trace.Stops.Count == 0
        ? ["      nowhere: a gradient reaches every op whose output the loss depends on"]
        : step.Trace.Stops.Select(stop => $"{stop.Op,4}  {ExplainedStep.NameOf(step.Trace.Ops[stop.Op])}: {stop.Reason}");

    private static string ModelName(ModelSource source) =>
        Path.GetFileName(Path.TrimEndingDirectorySeparator(source.Config ?? source.Options.Model!));

    private static JsonReport Report(ModelSource source, ExplainedStep step, List<ExplainedStep> others, string? noFull)
    {
        var report = new JsonReport().Add("model", ModelName(source)).Add("batch_size", source.Options.BatchSize)
            .Add("max_seq_length", source.Length())
            .Add("batch", source.BatchText());
        ExplainReport.AddTo(report, step);
        foreach (var other in others)
        {
            // The first is full fine-tuning, unless there is none.
            report.Add(noFull is null && other == others[0] ? Full : "compared", ExplainReport.AddTo(new JsonReport(), other));
        }
        return report.Add("no_full", noFull);
    }
}
