using System.Text.Json.Nodes;
using PeftCore.Io.Gguf;
using PeftCore.Tokenizers;

namespace PeftCore.Io;

/// <summary>A Hugging Face model directory: config.json, safetensors weights in one file or in shards, and optionally
/// generation_config.json and a tokenizer. A GGUF file is seen as such a directory, and so is a directory whose only weights are one GGUF
/// file: configuration and tokenizer follow from its metadata.</summary>
public sealed class ModelDirectory
{
    private const string Weights = "model.safetensors";
    private const string Index = "model.safetensors.index.json";

    // The name of weights that diffusers writes, and of their index.
    private const string DiffusionWeights = "diffusion_pytorch_model.safetensors";
    private const string DiffusionIndex = "diffusion_pytorch_model.safetensors.index.json";

    private readonly GgufModel? _gguf;

    private ModelDirectory(string path, GgufModel? gguf = null) => (FullPath, _gguf) = (path, gguf);

    /// <summary>The directory, as it was given.</summary>
    internal string FullPath { get; }

    /// <summary>The path of config.json.</summary>
    internal string ConfigPath => IfThere("config.json") ?? Path.Combine(FullPath, "config.json");

    /// <summary>The path of generation_config.json, or null if the directory has none.</summary>
    internal string? GenerationConfigPath => IfThere("generation_config.json");

    /// <summary>The path of tokenizer.json, or of the GGUF file that has the tokenizer; null if there is none.</summary>
    public string? TokenizerPath => _gguf is not null && _gguf.WhyNoTokenizer() is null ? _gguf.Path : IfThere("tokenizer.json");

    /// <summary>Whether there are weights that can be read.</summary>
    public bool HasWeights => _gguf is not null
        || Array.Exists([Weights, Index, DiffusionWeights, DiffusionIndex], name => IfThere(name) is not null);

    /// <summary>Opens a directory with a config.json, or a GGUF file; other files are looked up when needed.</summary>
    /// <exception cref="BadInputException">There is no such directory, or no model in it.</exception>
    public static ModelDirectory Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path) && GgufFile.IsNamed(path))
        {
            return new ModelDirectory(path, new GgufModel(path));
        }
        if (File.Exists(path))
        {
            string isFile = $"{path}: a model directory was expected, but this is a file";
            throw new BadInputException(ForeignWeights.WhyNot(path) is { } why
                && !path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
                ? $"{isFile}; {why}." : $"{isFile}; name the directory it lies in.");
        }
        if (!Directory.Exists(path))
        {
            throw new BadInputException($"{path}: there is no such directory; check the path of the model.");
        }

        AtomicDirectory.Recover(path);
        var directory = new ModelDirectory(path);
        if (!directory.HasWeights && directory.IfThere("adapter_config.json") is null && GgufModel.In(path) is { } gguf)
        {
            return new ModelDirectory(path, new GgufModel(gguf));
        }
        if (File.Exists(directory.ConfigPath))
        {
            return directory;
        }

        throw new BadInputException(directory.IfThere("adapter_config.json") is null
            ? $"{path}: the directory has no config.json, expected a Hugging Face model directory with config.json and {Weights}"
                + (!directory.HasWeights && ForeignWeights.In(path) is { } foreign ? $"; {foreign}." : ".")
            : $"{path}: this is an adapter, not a model; give the directory of its base model, and this one as the adapter.");
    }

    /// <summary>Reads config.json.</summary>
    public ConfigReader OpenConfig() => _gguf is null ? ConfigReader.Open(ConfigPath) : ConfigReader.Of(_gguf.Config(), _gguf.Path);

    /// <summary>The configuration to write to a directory that is derived from this one.</summary>
    internal JsonObject CopyConfig()
    {
        if (_gguf is not null)
        {
            return _gguf.Config();
        }
        using var document = JsonFile.Read(ConfigPath);
        return JsonObject.Create(document.RootElement.Clone())!;
    }

    /// <summary>The text of a file; null without it.</summary>
    internal string? Text(string name) =>
        IfThere(name) is { } path ? System.Text.Encoding.UTF8.GetString(JsonFile.ReadBytes(path)) : null;

    /// <summary>The files of the tokenizer that a GGUF file has instead; none for a directory.</summary>
    internal IReadOnlyDictionary<string, JsonObject> TokenizerFiles => _gguf?.TokenizerFiles() ?? [];

    /// <summary>Reads generation_config.json; null if the directory has none.</summary>
    internal ConfigReader? OpenGenerationConfig() => GenerationConfigPath is string path ? ConfigReader.Open(path) : null;

    /// <summary>Opens the weights.</summary>
    /// <exception cref="BadInputException">There are none, or they are in another format or damaged.</exception>
    public WeightSource OpenWeights()
    {
        if (_gguf is not null)
        {
            return _gguf.OpenWeights();
        }
        string? index = IfThere(Index) ?? IfThere(DiffusionIndex);
        if ((IfThere(Weights) ?? IfThere(DiffusionWeights)) is string single)
        {
            string name = Path.GetFileName(single);
            return WeightSource.OpenFile(single, index is null ? []
                : [$"{FullPath}: there are {name} and {Path.GetFileName(index)}; {name} is read, and the index is ignored."]);
        }
        if (index is not null)
        {
            return WeightSource.OpenIndex(index);
        }
        string reason = ForeignWeights.In(FullPath) ?? $"the directory has no weights, expected {Weights} or {Index}";
        throw new BadInputException($"{FullPath}: {reason}.");
    }

    /// <summary>Reads the tokenizer of a directory, after completing the renaming of a killed writer, or that of a GGUF file.</summary>
    /// <exception cref="BadInputException">A file is missing, cannot be read, or has an unsupported part.</exception>
    public static Tokenizer OpenTokenizer(string directory)
    {
        if (File.Exists(directory) && GgufFile.IsNamed(directory))
        {
            return new GgufModel(directory).OpenTokenizer();
        }
        AtomicDirectory.Recover(directory);
        return PendingFiles.Find(Path.Combine(directory, "config.json")) is null && Directory.Exists(directory)
            && PendingFiles.Find(Path.Combine(directory, "tokenizer.json")) is null && GgufModel.In(directory) is { } gguf
            ? new GgufModel(gguf).OpenTokenizer() : Tokenizer.FromDirectory(directory, PendingFiles.Content);
    }

    private string? IfThere(string name) => PendingFiles.Find(Path.Combine(FullPath, name));
}
