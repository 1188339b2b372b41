using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Makes models from Hugging Face directories.</summary>
public static class ModelLoader
{
    private static readonly Dictionary<string, Func<ConfigReader, CausalModel>> Families = new()
    {
        ["llama"] = config => new Llama(LlamaConfig.From(config)),
        ["mistral"] = config => new Llama(LlamaConfig.From(config)),
        ["qwen2"] = config => new Llama(LlamaConfig.From(config)),
        ["qwen3"] = config => new Llama(LlamaConfig.From(config)),
        ["gpt2"] = config => new Gpt2(Gpt2Config.From(config)),
    };

    private const string HeadWeight = "lm_head.weight";

    /// <summary>The values of "model_type" that can be loaded.</summary>
    public static IReadOnlyCollection<string> ModelTypes => Families.Keys;

    /// <summary>Declares the model a config.json describes, without weights.</summary>
    /// <exception cref="BadInputException">The architecture is unknown, or a field is missing or wrong.</exception>
    public static CausalModel Declare(ConfigReader config)
    {
        string type = config.String("model_type");
        return Families.TryGetValue(type, out var family)
            ? family(config)
            : throw config.Error("model_type", $"is \"{type}\", which is not supported; supported are {string.Join(", ", Families.Keys)}");
    }

    /// <summary>Loads a model directory: config.json and model.safetensors, single or sharded. Weights keep the dtype of the file.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="backend">Where to put the weights.</param>
    /// <param name="dtype">Convert floating-point weights to this; null to keep what the file has.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or tensors are missing, unknown or of the wrong shape.</exception>
    public static CausalModel Load(string directory, IBackend backend, DType? dtype = null)
    {
        var files = ModelDirectory.Open(directory);
        var model = Declare(files.OpenConfig());
        using var weights = files.OpenWeights();
        try
        {
            Fill(model, weights, backend, dtype);
        }
        catch
        {
            model.Free();
            throw;
        }
        return model;
    }

    /// <summary>Gives every parameter memory and random values (normal, deviation 0.02; norms one, biases zero), for benchmarks and plans.</summary>
    public static void Initialize(CausalModel model, IBackend backend, DType dtype, ulong seed = 0)
    {
        ulong stream = 0;
        foreach (var (path, parameter) in model.NamedParameters())
        {
            using var scope = new TensorScope();
            var values = backend.NewTensor(parameter.Shape);
            if (parameter.Shape.Rank > 1)
            {
                backend.FillNormal(values, 0, 0.02f, seed, stream++);
            }
            else if (path.EndsWith("weight", StringComparison.Ordinal))
            {
                backend.FillUniform(values, 1, 1, seed, stream++);
            }
            else
            {
                backend.Zero(values);
            }
            backend.Cast(values, parameter.Materialize(backend, dtype));
        }
    }

    private static void Fill(CausalModel model, WeightSource weights, IBackend backend, DType? dtype)
    {
        var unused = new HashSet<string>(weights.Names.Where(name => !model.IsBuffer(name)), StringComparer.Ordinal);
        var missing = new List<string>();
        foreach (var (path, parameter) in model.NamedParameters())
        {
            var entry = FindEntry(model, weights, path);
            if (entry is null)
            {
                missing.Add(path);
                continue;
            }
            unused.Remove(entry.Name);
            WeightReader.Read(entry, parameter, backend, dtype);
        }
        if (missing.Count > 0)
        {
            throw new BadInputException($"{weights.Place}: {missing.Count} of the model's tensors are missing, such as \"{missing[0]}\"; " +
                "the file belongs to another model or is incomplete");
        }
        // A tied head may be stored as well; it is the embedding's table again.
        if (model.Head.Weight == model.TokenEmbedding.Weight)
        {
            unused.Remove(HeadWeight);
        }
        if (unused.Count > 0)
        {
            throw new BadInputException($"{weights.Place}: {unused.Count} tensors belong to no part of a {model.ModelType} model, such as \"{unused.Order(StringComparer.Ordinal).First()}\"");
        }
    }

    /// <summary>Weight files made from the bare model leave the base prefix out.</summary>
    private static WeightEntry? FindEntry(CausalModel model, WeightSource weights, string path)
    {
        if (weights.TryGet(path, out var entry))
        {
            return entry;
        }
        if (path.StartsWith(model.BasePrefix, StringComparison.Ordinal) && weights.TryGet(path[model.BasePrefix.Length..], out entry))
        {
            return entry;
        }
        // Of two tied names a file may have either.
        bool tied = model.Head.Weight == model.TokenEmbedding.Weight && model.Find(path[..path.LastIndexOf('.')]) == model.TokenEmbedding;
        return tied && weights.TryGet(HeadWeight, out entry) ? entry : null;
    }
}
