using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Verbs;

/// <summary>Measures the loss of a model on a data set, and the metrics of its task: perplexity, accuracy, F1 and others.</summary>
internal sealed class EvalVerb : Verb
{
    // Random steps and noises that each picture is measured with, the same ones in every evaluation.
    private const int NoiseDraws = 16;

    private static readonly SequenceOptions Defaults = new();

    private readonly Option<string?> _model = new("--model") { Description = "directory of the model", HelpName = "DIR" };
    private readonly Option<string[]> _adapter = new("--adapter")
    {
        Description = "directory of an adapter; several add up",
        HelpName = "DIR"
    };
    private readonly Option<string?> _task = TaskOption.New();
    private readonly Option<string?> _pooling = PoolingOption.New();
    private readonly QuantizationFlags _quantization = new();
    private readonly Option<int?> _rows = ResizeOption.New();
    private readonly Option<string?> _data = new("--data") { Description = "data to evaluate on", HelpName = "FILE|DIR" };
    private readonly Option<int> _batchSize = NumberOption.Whole("--batch-size", "sequences at once", Defaults.BatchSize);
    private readonly Option<int?> _length = NumberOption.WholeOrNone("--max-seq-length", "longest sequence, in tokens");
    private readonly Option<int?> _targetLength = NumberOption.WholeOrNone("--max-target-length", SequenceOptions.TargetLengthHelp);
    private readonly Option<bool> _maskPrompt = new("--mask-prompt")
    {
        Description = $"count answers only, not prompts [default: {(Defaults.MaskPrompt ? "true" : "false")}]",
        DefaultValueFactory = _ => Defaults.MaskPrompt
    };

    private readonly Option<string?> _template =
        new("--chat-template")
        {
            Description = "how conversations become text, instead of the model's own template",
            HelpName = NamedTemplate.Value
        };

    private readonly Option<string?> _fields = new("--fields")
    {
        Description = SequenceOptions.FieldsHelp,
        HelpName = SequenceOptions.FieldsValue
    };

    private readonly Option<string?> _labelNames = new("--label-names")
    {
        Description = SequenceOptions.LabelNamesHelp,
        HelpName = SequenceOptions.LabelNamesValue
    };

    private readonly Option<bool> _labelSpaces = new("--label-spaces") { Description = SequenceOptions.LabelSpacesHelp };

    private readonly Option<string?> _limits = new("--max-memory")
    {
        Description = "the most memory to take",
        HelpName = "6GiB|cuda=6GiB,…",
    };

    private readonly Option<string?> _confusion = new("--confusion")
    {
        Description = "where to draw the confusion matrix of a classifier (SVG)",
        HelpName = "FILE",
    };

    private readonly Option<bool> _skipBad = new("--skip-bad") { Description = SequenceOptions.SkipBadHelp };

    private readonly Option<string?> _language = new("--language") { Description = SequenceOptions.LanguageHelp, HelpName = "CODE" };

    private readonly Option<int?> _beams = NumberOption.WholeOrNone("--num-beams", "beams that transcripts are written with");

    private readonly Option<string> _dtype = new Option<string>("--dtype")
    {
        Description = "in what to compute [default: f32]",
        DefaultValueFactory = _ => "f32"
    }
        .AcceptOnlyFromAmong("f32", "bf16");

    private readonly Option<string> _cache = new Option<string>("--kv-cache-dtype", "--kv-dtype")
    {
        Description = SamplingOptions.KvCacheDTypeHelp + ", where labels are scored [default: auto]",
        DefaultValueFactory = _ => "auto",
    }.AcceptOnlyFromAmong("auto", "f32", "bf16");

    public EvalVerb() : base("eval", "Measure loss and the metrics of the task: perplexity, accuracy, F1 and others.")
    {
        foreach (var option in (Option[])[_model, _adapter, _task, _pooling, _rows, _data, _fields, _labelNames, _labelSpaces, _batchSize,
            _length, _targetLength, _maskPrompt, _template, _skipBad, _language, _beams, _confusion, _dtype, _cache, _limits])
        {
            Add(option);
        }
        _quantization.AddTo(this);
    }

    public override VerbResult Run(Invocation call)
    {
        string data = call.Value(_data) ?? throw new BadInputException("expected --data FILE, the data to evaluate on.");
        var dtype = call.Value(_dtype) == "bf16" ? DType.BF16 : DType.F32;
        call.Note(SettingRules.DtypeOn(call.Device, dtype));
        var limits = call.Value(_limits) is { } text ? MemoryLimits.Parse("--max-memory", text) : null;
        call.Note(limits?.Idle(call.Device) is { } idle ? $"--max-memory has no effect {idle}." : null);
        var quantization = _quantization.Read(call);
        var backend = Devices.Open(call.Device, limit: limits?.For(call.Device), compute: dtype);
        using var session = ModelSession.OpenUnloaded(backend, call.Value(_model), warn: call.Terminal.Warn, rows: call.Value(_rows),
            task: TaskChoice.Of(call.Value(_task), call.Value(_adapter) ?? [], call.Value(_pooling)), quantization: quantization);
        if (limits is not null)
        {
            session.Within(new PassPlan(limits, call.Device), call.Value(_adapter) ?? [], PassPlan.Reading(call.Value(_batchSize),
                DataSetup.LengthOf(session.Declared, call.Value(_length))), refuses: false);
        }
        session.WithAdapters(call.Value(_adapter) ?? [], call);
        var options = new SequenceOptions
        {
            BatchSize = call.Value(_batchSize),
            MaxSeqLength = call.Value(_length),
            MaxTargetLength = call.Value(_targetLength),
            MaskPrompt = call.Value(_maskPrompt),
            ChatTemplate = call.Value(_template),
            Fields = call.Value(_fields),
            LabelNames = call.Value(_labelNames),
            LabelSpaces = call.Value(_labelSpaces),
            SkipBad = call.Value(_skipBad),
            Language = call.Value(_language),
        };
        NoteGiven(call, _maskPrompt, options);
        NoteGiven(call, _length, options);
        var setup = new DataSetup(session, options, session.Model.Base.VirtualTokenCount);
        var rows = setup.OpenForEvaluation(data, call);
        var examples = setup.Encode(rows, call);
        // Its texts are scored below, all of them.
        bool writes = session.HearsSpeech || session.Model.Base.Task == ModelTask.Seq2SeqLm;
        call.Note(call.IsGiven(_beams) && !session.HearsSpeech ? "--num-beams has no effect on data that are no recordings." : null);
        // Each epoch has other noise, and one step of it says little about a picture.
        int draws = session.Model.Base.Task == ModelTask.NoisePrediction ? NoiseDraws : 1;
        var result = Evaluation.Run(session.Model.Base,
            Enumerable.Range(0, draws).SelectMany(setup.Loader(examples, train: false).Epoch), call.Stop, withMetrics: !writes);
        double loss = RunFailedException.Finite(result.Loss, $"the loss on {data}");
        var report = new JsonReport().Add("loss", loss);
        if (result.Perplexity is { } perplexity)
        {
            report.Add("perplexity", perplexity);
        }
        report.Add(result.Perplexity is null ? "targets" : "tokens", result.Tokens);
        foreach (var (name, value) in MetricsText.Defined(result))
        {
            report.Add(name, value);
        }
        call.Say(FormattableString.Invariant(
            $"loss {loss:0.0000}{MetricsText.Of(result)}  over {result.Tokens:N0} {MetricsText.TargetsOf(session.Model.Base.Task)}"));
        if (call.Value(_confusion) is { } plot)
        {
            ConfusionPlot.Draw(plot, session.Model.Base.Labels, result.Confusion
                ?? throw new BadInputException("--confusion is for classifiers of one class for each sample; leave it out."));
        }
        call.Note(PerplexityText.Note(result));
        call.Note(MetricsText.Note(result));
        if (writes)
        {
            var scores = Evaluation.OfTexts(session.Model.Base, examples, session.Tokenizer, options.BatchSize, call.Stop,
                session.HearsSpeech ? Writing(session, call) : null);
            foreach (var (name, value) in scores)
            {
                report.Add(name, value);
            }
            bool labels = scores.ContainsKey("f1"); // Of labels, the counts of equal words and n-grams say nothing more.
            string values = string.Join("  ", scores.Where(score => !labels || score.Key is "accuracy" or "f1")
                .Select(score => FormattableString.Invariant($"{(score.Key == "f1" ? "macro F1" : score.Key)} {score.Value:0.0000}")));
            string what = session.HearsSpeech ? "transcripts" : labels ? "generated labels" : "generated texts";
            call.Say(FormattableString.Invariant($"{values}  over {examples.Count:N0} {what}"));
            return VerbResult.Done(report);
        }
        if (session.Model.Base.Task == ModelTask.CausalLm && rows.All(row => row.HasLabel))
        {
            var classes = Classification.Run(session.Model.Base, setup.EncodeClasses(rows), call.Stop,
                SamplingOptions.CacheDType(call.Value(_cache)));
            report.Add("accuracy", classes.Accuracy).Add("f1", classes.MacroF1);
            call.Say(FormattableString.Invariant(
                $"accuracy {classes.Accuracy:0.0000}  macro F1 {classes.MacroF1:0.0000}  over {rows.Count:N0} labelled texts"));
            return VerbResult.Done(report);
        }
        call.Note(call.IsGiven(_cache) ? "--kv-cache-dtype has no effect on rows without labels, of which only the loss is measured."
            : null);
        call.Note(session.Model.Base.Task == ModelTask.CausalLm && rows.Any(row => row.HasLabel) ? $"{data}: accuracy and F1 are left " +
            "out, for they need a label in every row."
            : null);
        return VerbResult.Done(report);
    }

    private GenerationOptions Writing(ModelSession session, Invocation call)
    {
        var options = GenerationOptions.FromModel(session.Directory, tell: call.Terminal.Note);
        return options with { NumBeams = call.Value(_beams) ?? options.NumBeams };
    }

    private static void NoteGiven(Invocation call, Option option, SequenceOptions options)
    {
        if (call.IsGiven(option))
        {
            options.Given.Add(option.Name[2..], option.Name, isFlag: true, differs: true);
        }
    }
}
