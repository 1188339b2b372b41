using System.CommandLine;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Cli.Verbs;

/// <summary>Writes an adapter, or a whole model, as a GGUF file for llama.cpp, with a Modelfile for Ollama beside it.</summary>
internal sealed class ExportVerb : Verb
{
    private const string Ending = ".gguf", ModelfileName = "Modelfile";

    private readonly Option<string?> _model = new("--model")
    {
        Description = "directory of the model; for an adapter its base, which adapter_config.json names otherwise", HelpName = "DIR",
    };
    private readonly Option<string?> _adapter = new("--adapter") { Description = "directory of a LoRA adapter", HelpName = "DIR" };
    private readonly Option<string> _format = new("--format")
    {
        Description = "format of the file", HelpName = "gguf", DefaultValueFactory = _ => "gguf",
    };
    private readonly Option<string?> _type = new("--outtype")
    {
        Description = "type of matrices: f32, f16, bf16 or q8_0; f16 unless given, for an adapter f32", HelpName = "TYPE",
    };
    private readonly Option<string> _output = new("--output")
    {
        Description = "the file to write, or its directory", HelpName = "FILE|DIR", Required = true,
    };

    public ExportVerb() : base("export", "Write an adapter or a model for llama.cpp and Ollama.")
    {
        Add(_adapter);
        Add(_model);
        Add(_format);
        Add(_type);
        Add(_output);
    }

    public override bool Computes => false;

    public override VerbResult Run(Invocation call)
    {
        if (call.Value(_format) is var format && format != "gguf")
        {
            throw new BadInputException($"--format: \"{format}\" is no format that is written; choose gguf.");
        }
        string? adapter = call.Value(_adapter);
        string model = call.Value(_model) ?? (adapter is null
            ? throw new BadInputException("expected --adapter DIR or --model DIR, what to write.") : BaseOf(adapter));
        string output = call.Value(_output)!;
        bool isFile = output.EndsWith(Ending, StringComparison.OrdinalIgnoreCase);
        string file = isFile ? output : Path.Combine(output, (adapter is null ? "model" : "adapter") + Ending);
        if (File.Exists(model) && RealPath.AreSame(model, file))
        {
            throw new BadInputException($"{file}: this is the model itself; name another --output.");
        }
        string directory = Path.GetDirectoryName(Path.GetFullPath(file))!;
        OutputDirectory.Create(directory);
        call.Note(File.Exists(file) ? $"{file} is replaced." : null);
        var warnings = new List<string>();
        long bytes = ModelWriter.ExportGguf(model, file, adapter, call.Value(_type), warnings);
        warnings.ForEach(call.Terminal.Warn);
        string modelfile = Path.Combine(directory, ModelfileName);
        string name = "./" + Path.GetFileName(file);
        AtomicFile.WriteAllText(modelfile, adapter is null ? $"FROM {name}\n" : $"FROM {Path.GetFullPath(model)}\nADAPTER {name}\n");
        call.Say($"{file}: {new ByteSize(bytes)}; {modelfile} beside it for ollama create");
        return VerbResult.Done(new JsonReport().Add("output", file).Add("modelfile", modelfile).Add("bytes", bytes));
    }

    /// <summary>The base that an adapter's configuration names.</summary>
    private static string BaseOf(string adapter)
    {
        string file = Path.Combine(adapter, "adapter_config.json");
        string? named = ConfigReader.Open(file).StringOrNull("base_model_name_or_path");
        return named is not null && (Directory.Exists(named) || File.Exists(named)) ? named : throw new BadInputException(
            $"{file}: the base model \"{named}\" is not here; name its directory with --model.");
    }
}
