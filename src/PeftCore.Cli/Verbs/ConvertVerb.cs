using System.CommandLine;
using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Cli.Verbs;

/// <summary>Saves an adapter again: unchanged, as a plain LoRA if its initialisation changed the base weights (PiSSA, OLoRA), with any
/// method's ΔW approximated by a LoRA of a given rank, or from and to the LoRA files of diffusion pipelines.</summary>
internal sealed class ConvertVerb : Verb
{
    /// <summary>Name of the file that diffusers reads of a directory.</summary>
    public const string PipelineFileName = "pytorch_lora_weights.safetensors";

    private readonly Option<string?> _adapter = new("--adapter")
    {
        Description = "directory of the adapter", HelpName = "DIR",
    };
    private readonly Option<string> _output = new("--output-dir")
    {
        Description = "where the converted adapter or model goes", HelpName = "DIR",
        Required = true
    };
    private readonly Option<string?> _model =
        new("--model") { Description = "directory of the base model; needed for all but saving it as it is", HelpName = "DIR" };
    private readonly Option<int?> _rows = ResizeOption.New();
    private readonly Option<int?> _rank = NumberOption.WholeOrNone("--rank", "save the update as a LoRA of this rank", min: 1, "--lora-r");

    private readonly Option<string?> _layout = new("--layout")
    {
        Description = "write one file of a diffusion pipeline: diffusers, or kohya with its alphas", HelpName = "NAME",
    };

    private readonly Option<string?> _initial = new("--initial-adapter", "--path-initial-model-for-weight-conversion")
    {
        Description = "the adapter as it was saved before it trained, to make a plain LoRA of twice the rank", HelpName = "DIR",
    };

    private readonly Option<bool> _dequantize = new("--dequantize")
    {
        Description = "write the base model of --model with plain weights instead of quantised ones",
    };

    public ConvertVerb() : base("convert", "Save an adapter anew: as it is, or as a LoRA; or a quantised model as a plain one.")
    {
        Add(_adapter);
        Add(_output);
        Add(_model);
        Add(_rank);
        Add(_rows);
        Add(_initial);
        Add(_layout);
        Add(_dequantize);
    }

    public override VerbResult Run(Invocation call)
    {
        string output = call.Value(_output)!;
        if (call.Value(_dequantize))
        {
            return Dequantize(call, output);
        }
        string adapter = call.Value(_adapter) ?? throw new BadInputException(
            "expected --adapter DIR, the adapter to convert, or --dequantize with --model DIR.");
        if (call.Value(_layout) is not null || adapter.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
        {
            return Pipeline(call, adapter, output);
        }
        OutputDirectory.Check(output, OutputKind.Adapter, (adapter, "the adapter itself"), (call.Value(_initial), "the initial adapter"),
            (call.Value(_model), "the base model"));
        OutputDirectory.SayReplaced(output, OutputKind.Adapter, call);
        if (call.Value(_model) is null)
        {
            call.Note(call.IsGiven(GlobalOptions.Device) ? "--device has no effect without --model: files are copied, nothing is computed."
                : null);
        }
        if (call.Value(_rows) is not null && call.Value(_model) is null)
        {
            throw new BadInputException("--resize-token-embeddings is about the base: name it with --model, or leave the option out.");
        }
        if (call.Value(_initial) is { } initial)
        {
            return Without(call, adapter, output, initial);
        }
        return call.Value(_model) is { } model ? OnModel(call, adapter, output, model) : AsItIs(call, adapter, output);
    }

    /// <summary>From a model with quantised weights to a plain one.</summary>
    private VerbResult Dequantize(Invocation call, string output)
    {
        if (call.IsGiven(_adapter) || call.IsGiven(_rank) || call.IsGiven(_rows) || call.IsGiven(_initial) || call.IsGiven(_layout))
        {
            throw new BadInputException("--dequantize converts the model of --model alone: leave what is about adapters out.");
        }
        string model = call.Value(_model) ?? throw new BadInputException("expected --model DIR, the quantised model.");
        OutputDirectory.Check(output, OutputKind.Model, (model, "the quantised model"));
        OutputDirectory.CheckApart(output, (model, "the quantised model"));
        OutputDirectory.RefuseOtherWeights(output);
        OutputDirectory.SayReplaced(output, OutputKind.Model, call);
        call.Note(call.IsGiven(GlobalOptions.Device) ? "--device has no effect: weights are dequantised on the CPU." : null);
        var warnings = new List<string>();
        try
        {
            long bytes = ModelWriter.Dequantize(model, output, warnings);
            call.Say($"{output}: {new ByteSize(bytes)}");
            return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("model_bytes", bytes));
        }
        finally
        {
            warnings.ForEach(call.Terminal.Warn);
        }
    }

    /// <summary>From a file of a diffusion pipeline to an adapter directory, or the other way.</summary>
    private VerbResult Pipeline(Invocation call, string adapter, string output)
    {
        if (call.Value(_model) is not null || call.Value(_rank) is not null || call.Value(_initial) is not null)
        {
            throw new BadInputException(
                "a pipeline's file is read and written as it is: leave --model, --rank and --initial-adapter out.");
        }
        if (call.Value(_layout) is not { } layout)
        {
            OutputDirectory.Check(output, OutputKind.Adapter);
            OutputDirectory.SayReplaced(output, OutputKind.Adapter, call);
            var written = DiffusionLora.Import(adapter, output);
            foreach (string directory in written)
            {
                call.Say($"{directory}: LoRA, as Hugging Face PEFT has it");
            }
            return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("adapters", written.Count));
        }
        if (layout is not ("diffusers" or "kohya"))
        {
            throw new BadInputException($"--layout: \"{layout}\" is no layout of a pipeline's file; choose diffusers or kohya.");
        }
        OutputDirectory.Create(output);
        string file = Path.Combine(output, PipelineFileName);
        DiffusionLora.Export(adapter, file, layout == "kohya");
        call.Say($"{file}: LoRA in the layout of {layout}");
        return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("layout", layout));
    }

    private VerbResult AsItIs(Invocation call, string adapter, string output)
    {
        if (call.Value(_rank) is not null)
        {
            throw new BadInputException("a LoRA is made from an adapter and its base: name the base with --model.");
        }
        var warnings = new List<string>();
        return Save(call, SavedAdapter.Load(adapter, warnings), warnings, output);
    }

    private VerbResult Without(Invocation call, string adapter, string output, string initial)
    {
        if (call.Value(_rank) is not null || call.Value(_model) is not null)
        {
            throw new BadInputException(
                "with --initial-adapter the LoRA has twice the rank and needs no base: leave --rank and --model out.");
        }
        var warnings = new List<string>();
        return Save(call, SavedAdapter.LoadConverted(adapter, initial, warnings), warnings, output);
    }

    private static VerbResult Save(Invocation call, SavedAdapter saved, List<string> warnings, string output)
    {
        warnings.ForEach(call.Terminal.Note);
        saved.Save(output);
        call.Say($"{output}: {saved.Config.PeftType}, {saved.Names.Count} tensors, {saved.Parameters:N0} parameters on " +
            $"{saved.Modules.Count} modules");
        return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("method", saved.Config.PeftType)
            .Add("tensors", saved.Names.Count).Add("parameters", saved.Parameters));
    }

    private VerbResult OnModel(Invocation call, string adapter, string output, string model)
    {
        using var session = ModelSession.Open(Devices.Open(call.Device), model, warn: call.Terminal.Warn, rows: call.Value(_rows),
            task: TaskChoice.Of(null, [adapter]))
            .WithAdapters([adapter], call);
        string name = session.Model.ActiveAdapters[0];
        if (call.Value(_rank) is not { } rank)
        {
            session.Model.SaveConverted(output, name);
            return VerbResult.Done(new JsonReport().Add("output_dir", output));
        }
        var layers = session.Model.SaveAsLora(output, rank, name);
        call.Table([["layer", "relative error"],
            .. layers.Select(layer => new[] { layer.Path, Text(layer.Error) })], hasHeader: true);
        double worst = layers.Max(layer => layer.Error);
        call.Say($"{output}: LoRA of rank {rank} on {layers.Count} layers, relative error up to {Text(worst)}");
        return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("rank", rank).Add("layers", layers.Count)
            .Add("max_error", worst));
    }

    private static string Text(double error) => error.ToString("0.0e+00", CultureInfo.InvariantCulture);
}
