using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Loads models from Hugging Face directories. <see cref="ModelFamilies"/> lists the supported ones.</summary>
public static class ModelLoader
{
    // More than the parameters of any existing model; a sum of bytes above this bound could overflow.
    private const long MostParameters = 1L << 50;

    /// <summary>Declares the model a config.json describes, without weights.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a sentence for each contradiction with one known meaning.</param>
    /// <param name="task">The task of the head; null for that of the configuration.</param>
    /// <exception cref="BadInputException">The architecture is unknown, the weights are quantised, a field is missing or wrong, or fields
    /// contradict each other.</exception>
    public static TransformerModel Declare(ConfigReader config, ICollection<string>? warnings = null, TaskOptions? task = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        string type = ConfigChecks.TypeOf(config);
        string near = Spelling.DidYouMean(type, ModelFamilies.ModelTypes);
        var family = ModelFamilies.Find(type) ?? throw config.Error("model_type",
            $"is \"{type}\", which is not supported{(near.Length > 0 ? near + " Supported" : "; supported")} are " +
            $"{string.Join(", ", ModelFamilies.ModelTypes)}; ModelFamilies.Register adds a family");
        Quantization.Refuse(config);
        ConfigChecks.Run(config, warnings);
        var spec = TaskSpec.Of(config, family.Tasks, task);
        var model = family.Declare(config, spec, warnings);
        model.HasNewHead = spec.IsNewHead;
        string? name = ConfigChecks.ArchitectureOf(config);
        // Adapters of models of pictures have no task type, and are recognised by the class.
        model.Architecture = !spec.IsNewHead ? name
            : name is not null && spec.Task == ModelTask.ImageClassification ? TaskSpec.ClassFor(name, spec.Task) : null;
        Int128 parameters = 0;
        foreach (var (_, parameter) in model.NamedParameters())
        {
            parameters += parameter.Shape.Count;
        }
        return parameters <= MostParameters ? model
            : throw new BadInputException(
            $"{config.Source}: the sizes make {parameters} parameters, more than any machine holds; one of them is wrong.");
    }

    /// <summary>Declares the model that a configuration and a file describe together, without reading the weights: if the configuration
    /// ties the head to the embedding but the file holds two different tables, the head is untied.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="warnings">Receives a sentence for each contradiction with one known meaning.</param>
    /// <param name="task">The task of the head; null for that of the configuration.</param>
    /// <exception cref="BadInputException">As for the configuration alone, or the weights are quantised.</exception>
    public static TransformerModel Declare(ConfigReader config, WeightSource weights, ICollection<string>? warnings = null,
        TaskOptions? task = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(config);
        var model = Declare(config, warnings, task);
        Quantization.Refuse(weights, model.ModelType);
        foreach (string warning in weights.Warnings)
        {
            warnings?.Add(warning);
        }
        weights.TryGet(model.HeadTable, out var head);
        if (!model.IsTied || head is null || !TiedTables.Differ(FindEntry(model, weights, PathOfEmbedding(model)), head))
        {
            return model;
        }
        warnings?.Add($"{weights.Place}: {config.Source} ties the head to the embedding (tie_word_embeddings), but \"{model.HeadTable}\" " +
            "and the embedding's table differ; the head keeps its own table. Set tie_word_embeddings to false to silence this.");
        return model.Untied();
    }

    /// <summary>Loads a model directory: config.json and model.safetensors, single or sharded. Weights keep the dtype of the
    /// file.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="backend">The device of the weights.</param>
    /// <param name="dtype">Dtype of floating-point weights; null to keep that of the file.</param>
    /// <param name="warnings">Receives a sentence for each contradiction with one known meaning.</param>
    /// <param name="task">The task of the head; null for that of the configuration.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or tensors are missing, unknown or of the wrong shape.</exception>
    public static TransformerModel Load(string directory, Backend backend, DType? dtype = null, ICollection<string>? warnings = null,
        TaskOptions? task = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        var files = ModelDirectory.Open(directory);
        var config = files.OpenConfig();
        Declare(config, task: task); // What the configuration alone is refused for comes before what the weights are.
        using var weights = files.OpenWeights();
        var model = Declare(config, weights, warnings, task);
        try
        {
            Fill(model, weights, backend, dtype, warnings);
            NewHead.Initialize(model, weights, backend, dtype, task, warnings);
            backend.Trim();
        }
        catch
        {
            model.Dispose();
            throw;
        }
        return model;
    }

    /// <summary>Gives every parameter memory and random values (normal, deviation 0.02; norms one, biases zero), for benchmarks and
    /// plans.</summary>
    public static void Initialize(TransformerModel model, Backend backend, DType dtype, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(backend);
        ulong stream = 0;
        foreach (var (path, parameter) in model.NamedParameters())
        {
            Initialize(path, parameter, backend, dtype, seed, stream);
            stream += parameter.Shape.Rank > 1 || path.EndsWith("weight", StringComparison.Ordinal) ? 1UL : 0UL;
        }
        backend.Trim();
    }

    /// <summary>Gives one parameter memory and random values.</summary>
    internal static void Initialize(string path, Nn.Parameter parameter, Backend backend, DType dtype, ulong seed, ulong stream) =>
        new RandomWeights(backend, dtype, seed).Fill(path, parameter, stream);

    private static void Fill(TransformerModel model, WeightSource weights, Backend backend, DType? dtype, ICollection<string>? warnings)
    {
        var unused = new HashSet<string>(weights.Names.Where(name => !model.IsBuffer(name)), StringComparer.Ordinal);
        var missing = new List<string>();
        foreach (var (path, parameter) in model.NamedParameters())
        {
            var entry = FindEntry(model, weights, path);
            if (entry is null && model.PiecesOf(path) is { } pieces && Entries(model, weights, pieces) is { } parts)
            {
                parts.ForEach(part => unused.Remove(part.Name));
                WeightPiece.Read(parts, pieces, parameter, backend, dtype);
                continue;
            }
            if (entry is null && Mxfp4.Find(name => FindEntry(model, weights, name), path) is var (blocks, scales))
            {
                unused.ExceptWith([blocks.Name, scales.Name]);
                Mxfp4.Read(blocks, scales, parameter, backend, dtype);
                continue;
            }
            if (entry is null)
            {
                if (!model.HasNewHead || !model.IsHead(path))
                {
                    missing.Add(path);
                }
                continue;
            }
            unused.Remove(entry.Name);
            if (model.HasNewHead && model.IsHead(path) && !WeightReader.HasShape(entry, parameter.Shape))
            {
                continue; // The file's head is for other classes.
            }
            WeightReader.Read(entry, parameter, backend, dtype);
        }
        if (missing.Count > 0)
        {
            throw Missing(model, weights, missing);
        }
        foreach (string name in weights.Names.Where(model.IsBuffer))
        {
            model.ReadBuffer(weights.Get(name), backend);
        }
        if (model.IsTied)
        {
            unused.Remove(model.HeadTable); // It is the embedding's table again, or the model would have been declared untied.
        }
        unused.RemoveWhere(name => NewHead.IsLeftOut(model, name));
        // Tensors that the index of a sharded model does not list may be leftovers; those that it lists belong to the model.
        foreach (string name in unused.Where(name => weights.TryGet(name, out var entry) && !entry.IsListed).Order(StringComparer.Ordinal)
            .ToArray())
        {
            unused.Remove(name);
            warnings?.Add($"{weights.Place}: tensor \"{name}\" is not in the index and belongs to no part of a {model.ModelType} model; " +
                "it is ignored.");
        }
        if (unused.Count > 0)
        {
            throw Unknown(model, weights, [.. unused.Order(StringComparer.Ordinal)]);
        }
    }

    /// <summary>The tensors of a parameter's pieces; null if one is missing.</summary>
    private static List<WeightEntry>? Entries(TransformerModel model, WeightSource weights, IReadOnlyList<WeightPiece> pieces)
    {
        var found = new List<WeightEntry>();
        foreach (var piece in pieces)
        {
            if (FindEntry(model, weights, piece.Name) is not { } entry)
            {
                return null;
            }
            found.Add(entry);
        }
        return found;
    }

    private static BadInputException Missing(TransformerModel model, WeightSource weights, List<string> missing) =>
        new(missing.Count == 1 && missing[0] == model.HeadTable
        ? $"{weights.Place}: the head's table \"{model.HeadTable}\" is missing, and the configuration does not tie it to the embedding; " +
            "if the model shares one table, set tie_word_embeddings to true in config.json."
        : $"{weights.Place}: {missing.Count} of the model's tensors are missing, such as \"{missing[0]}\"; the file belongs to another " +
        "model or is incomplete.");

    private static BadInputException Unknown(TransformerModel model, WeightSource weights, string[] unknown)
    {
        long blocks = unknown.Max(BlockOf) + 1L;
        string why = blocks > model.LayerCount ? $"the file has {blocks} blocks, but the configuration says {model.LayerCount}"
            : unknown[0].EndsWith(".bias", StringComparison.Ordinal) ? "the configuration says that there is no such bias"
            : "the file belongs to another model";
        return new BadInputException(
            $"{weights.Place}: {unknown.Length} tensors belong to no part of a {model.ModelType} model, such as \"{unknown[0]}\"; {why}.");
    }

    /// <summary>The number of the block in a tensor's name; -1 outside the blocks.</summary>
    private static int BlockOf(string name)
    {
        string[] parts = name.Split('.');
        int at = Array.FindIndex(parts, part => part is "layers" or "layer" or "h" or "block");
        return at >= 0 && at + 1 < parts.Length && NumberText.TryDigits(parts[at + 1], out int block) ? block : -1;
    }

    private static string PathOfEmbedding(TransformerModel model) =>
        model.NamedParameters().First(p => p.Parameter == model.TokenEmbedding.Weight).Path;

    /// <summary>Weight files of the bare model omit the base prefix.</summary>
    private static WeightEntry? FindEntry(TransformerModel model, WeightSource weights, string path) =>
        FindNamed(model, weights, path) ?? (model.OldName(path) is { } old ? FindNamed(model, weights, old) : null);

    private static WeightEntry? FindNamed(TransformerModel model, WeightSource weights, string path)
    {
        WeightEntry? entry;
        foreach (string name in new[] { model.FileName(path), path })
        {
            if (weights.TryGet(name, out entry)
                || (name.StartsWith(model.BasePrefix, StringComparison.Ordinal)
                    && weights.TryGet(name[model.BasePrefix.Length..], out entry))
                || (model.MissingPrefix.Length > 0 && weights.TryGet(model.MissingPrefix + name, out entry)))
            {
                return entry;
            }
        }
        // A file may have either of two tied names.
        bool tied = model.IsTied && model.Find(path[..path.LastIndexOf('.')]) == model.TokenEmbedding;
        return tied && weights.TryGet(model.HeadTable, out entry) ? entry : null;
    }
}
