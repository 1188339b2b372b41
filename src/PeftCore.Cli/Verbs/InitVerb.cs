using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Writes a model directory with random weights, to train a model of one's own from nothing.</summary>
internal sealed class InitVerb : Verb
{
    private readonly Option<string> _config = new("--config")
    {
        Description = "config.json, or its directory; files of a tokenizer, a preprocessor or a schedule beside it are copied",
        HelpName = "FILE|DIR",
        Required = true,
    };
    private readonly Option<string> _output = new("--output-dir")
    {
        Description = "where the model goes", HelpName = "DIR",
        Required = true,
    };
    private readonly Option<int> _seed =
        NumberOption.Whole("--seed", "seed of the weights", fallback: (int)new SequenceOptions().Seed, min: 0);
    private readonly Option<bool> _filters = new("--band-pass-filters")
    {
        Description = "start the first convolution of a model of sound as band-pass filters at mel frequencies",
    };

    public InitVerb() : base("init", "Write a model with random weights.")
    {
        Add(_config);
        Add(_output);
        Add(_seed);
        Add(_filters);
    }

    public override VerbResult Run(Invocation call)
    {
        string config = Path.GetFullPath(call.Value(_config)!), output = call.Value(_output)!;
        string source = Path.GetFileName(config) == "config.json" ? Path.GetDirectoryName(config)! : config;
        OutputDirectory.Check(output, OutputKind.Model, (source, "the configuration"));
        OutputDirectory.RefuseOtherWeights(output);
        OutputDirectory.SayReplaced(output, OutputKind.Model, call);
        var warnings = new List<string>();
        var model = ModelLoader.Declare(ModelDirectory.Open(source).OpenConfig(), warnings);
        warnings.ForEach(call.Terminal.Warn);
        using var backend = Devices.Open(call.Device);
        using var scope = new TensorScope();
        ModelLoader.Initialize(model, backend, DType.F32, (ulong)call.Value(_seed));
        if (call.Value(_filters))
        {
            SoundReader.Open(model, source, WavFile.Read).FillFilters(model);
        }
        long bytes = ModelWriter.Save(model, output, source);
        long parameters = model.NamedParameters().Sum(p => p.Parameter.Shape.Count);
        model.Dispose();
        call.Say($"{output}: {model.ModelType}, {parameters:N0} parameters with random values, {new ByteSize(bytes)}");
        return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("parameters", parameters).Add("model_bytes", bytes));
    }
}
