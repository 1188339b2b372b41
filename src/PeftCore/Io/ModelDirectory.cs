using PeftCore.Tokenizers;

namespace PeftCore.Io;

/// <summary>A Hugging Face model directory: config.json, safetensors weights in one file or in shards, and optionally
/// generation_config.json and a tokenizer.</summary>
public sealed class ModelDirectory
{
    private const string Weights = "model.safetensors";
    private const string Index = "model.safetensors.index.json";

    // The name of weights that diffusers writes, and of their index.
    private const string DiffusionWeights = "diffusion_pytorch_model.safetensors";
    private const string DiffusionIndex = "diffusion_pytorch_model.safetensors.index.json";

    private ModelDirectory(string path) => FullPath = path;

    /// <summary>The directory, as it was given.</summary>
    internal string FullPath { get; }

    /// <summary>The path of config.json.</summary>
    internal string ConfigPath => IfThere("config.json") ?? Path.Combine(FullPath, "config.json");

    /// <summary>The path of generation_config.json, or null if the directory has none.</summary>
    internal string? GenerationConfigPath => IfThere("generation_config.json");

    /// <summary>The path of tokenizer.json, or null if the directory has none.</summary>
    public string? TokenizerPath => IfThere("tokenizer.json");

    /// <summary>The path of tokenizer_config.json, or null if the directory has none.</summary>
    internal string? TokenizerConfigPath => IfThere("tokenizer_config.json");

    /// <summary>Whether the directory has safetensors weights.</summary>
    public bool HasWeights => Array.Exists([Weights, Index, DiffusionWeights, DiffusionIndex], name => IfThere(name) is not null);

    /// <summary>Opens a directory with a config.json; other files are looked up when needed.</summary>
    /// <exception cref="BadInputException">There is no such directory, or no model in it.</exception>
    public static ModelDirectory Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
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
    public ConfigReader OpenConfig() => ConfigReader.Open(ConfigPath);

    /// <summary>Reads generation_config.json; null if the directory has none.</summary>
    internal ConfigReader? OpenGenerationConfig() => GenerationConfigPath is string path ? ConfigReader.Open(path) : null;

    /// <summary>Opens the weights.</summary>
    /// <exception cref="BadInputException">There are none, or they are in another format or damaged.</exception>
    public WeightSource OpenWeights()
    {
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

    /// <summary>Reads the tokenizer of a directory, after completing the renaming of a killed writer.</summary>
    /// <exception cref="BadInputException">A file is missing, cannot be read, or has an unsupported part.</exception>
    public static Tokenizer OpenTokenizer(string directory)
    {
        AtomicDirectory.Recover(directory);
        return Tokenizer.FromDirectory(directory, PendingFiles.Find);
    }

    private string? IfThere(string name) => PendingFiles.Find(Path.Combine(FullPath, name));
}
