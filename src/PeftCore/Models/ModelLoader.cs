using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models.Quantized;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Loads models from Hugging Face directories. <see cref="ModelFamilies"/> lists the supported ones.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var model = ModelLoader.Load(modelDirectory, backend);
/// using var small = ModelLoader.Load(modelDirectory, backend, quantization: new QuantizationOptions { Type = "nf4" });
/// Console.WriteLine($"{model.ModelType}: {model.LayerCount} layers of width {model.HiddenSize}");
/// </code>
/// </example>
public static class ModelLoader
{
    // More than the parameters of any existing model; a sum of bytes above this bound could overflow.
    private const long MostParameters = 1L << 50;

    /// <summary>Declares the model a config.json describes, without weights.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a sentence for each contradiction with one known meaning.</param>
    /// <param name="task">The task of the head; null for that of the configuration.</param>
    /// <exception cref="BadInputException">The architecture is unknown, the weights are quantised with a method that is not read, a field
    /// is missing or wrong, or fields contradict each other.</exception>
    public static TransformerModel Declare(ConfigReader config, ICollection<string>? warnings = null, TaskOptions? task = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        string type = ConfigChecks.TypeOf(config);
        string near = Spelling.DidYouMean(type, ModelFamilies.ModelTypes);
        var family = ModelFamilies.Find(type) ?? throw config.Error("model_type",
            $"is \"{type}\", which is not supported{(near.Length > 0 ? near + " Supported" : "; supported")} are " +
            $"{string.Join(", ", ModelFamilies.ModelTypes)}; ModelFamilies.Register adds a family");
        var stored = Quantization.Read(config);
        ConfigChecks.Run(config, warnings);
        var spec = TaskSpec.Of(config, family.Tasks, task);
        var model = family.Declare(config, spec, warnings);
        (model.HasNewHead, model.StoredQuantization) = (spec.IsNewHead, stored);
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
    /// <exception cref="BadInputException">As for the configuration alone, or the weights are quantised with a method that is not
    /// read.</exception>
    public static TransformerModel Declare(ConfigReader config, WeightSource weights, ICollection<string>? warnings = null,
        TaskOptions? task = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(config);
        var model = Declare(config, warnings, task);
        Quantization.Refuse(weights, config);
        foreach (string warning in weights.Warnings)
        {
            warnings?.Add(warning);
        }
        weights.TryGet(model.HeadTable, out var head);
        if (!model.IsTied || head is null
            || !TiedTables.Differ(new StoredWeights(model, weights, null).FindEntry(PathOfEmbedding(model)), head))
        {
            return model;
        }
        warnings?.Add($"{weights.Place}: {config.Source} ties the head to the embedding (tie_word_embeddings), but \"{model.HeadTable}\" " +
            "and the embedding's table differ; the head keeps its own table. Set tie_word_embeddings to false to silence this.");
        var untied = model.Untied();
        untied.StoredQuantization = model.StoredQuantization;
        return untied;
    }

    /// <summary>Loads a model directory: config.json and model.safetensors, single or sharded. Weights keep the dtype of the
    /// file. Weights that bitsandbytes quantised are kept so, others are dequantised as they are read, which a warning says.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="backend">The device of the weights.</param>
    /// <param name="dtype">Dtype of floating-point weights; null to keep that of the file.</param>
    /// <param name="warnings">Receives a sentence for each contradiction with one known meaning.</param>
    /// <param name="task">The task of the head; null for that of the configuration.</param>
    /// <param name="quantization">How linear layers are quantised, one at a time; null to leave them as they are stored.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, tensors are missing, unknown or of the wrong shape, or the model
    /// is stored quantised in another way than <paramref name="quantization"/> says.</exception>
    public static TransformerModel Load(string directory, Backend backend, DType? dtype = null, ICollection<string>? warnings = null,
        TaskOptions? task = null, QuantizationOptions? quantization = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        quantization?.Check();
        var files = ModelDirectory.Open(directory);
        var config = files.OpenConfig();
        Declare(config, task: task); // What the configuration alone is refused for comes before what the weights are.
        using var weights = files.OpenWeights();
        var model = Declare(config, weights, warnings, task);
        try
        {
            OffloadedBlocks.Attach(model, backend);
            new WeightLoading(model, weights, config, backend, dtype, quantization).Fill(warnings);
            NewHead.Initialize(model, weights, backend, dtype, task, warnings);
            model.Streamer?.EndWrite();
            backend.Trim();
        }
        catch
        {
            model.Dispose();
            throw;
        }
        return model;
    }

    /// <summary>Gives every parameter memory and random values (normal, deviation 0.02; layers that are quantised uniform in ±1/32;
    /// norms one, biases zero), for benchmarks and plans.</summary>
    /// <param name="model">The model.</param>
    /// <param name="backend">The device of the weights.</param>
    /// <param name="dtype">Dtype of the weights.</param>
    /// <param name="seed">Seed of the values.</param>
    /// <param name="quantization">How linear layers are quantised, one at a time; null for none.</param>
    public static void Initialize(TransformerModel model, Backend backend, DType dtype, ulong seed = 0,
        QuantizationOptions? quantization = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(backend);
        quantization?.Check();
        OffloadedBlocks.Attach(model, backend);
        if (model.StoredQuantization?.Options is { } stored)
        {
            quantization?.CheckStored(stored.FormatOf(dtype), $"the configuration of this {model.ModelType} model");
            quantization = stored;
        }
        ulong stream = 0;
        using var quantizer = new WeightQuantizer(model, backend, quantization);
        foreach (var (path, parameter) in model.NamedParameters().ToList())
        {
            var random = new RandomWeights(backend, dtype, seed);
            if (quantizer.Takes(parameter))
            {
                quantizer.Quantize(parameter, path, dtype, value => random.FillToQuantize(value, stream));
            }
            else
            {
                random.Fill(path, parameter, stream);
            }
            stream += parameter.Shape.Rank > 1 || path.EndsWith("weight", StringComparison.Ordinal) ? 1UL : 0UL;
        }
        model.Streamer?.EndWrite();
        backend.Trim();
    }

    /// <summary>Gives one parameter memory and random values.</summary>
    internal static void Initialize(string path, Nn.Parameter parameter, Backend backend, DType dtype, ulong seed, ulong stream) =>
        new RandomWeights(backend, dtype, seed).Fill(path, parameter, stream);

    private static string PathOfEmbedding(TransformerModel model) =>
        model.NamedParameters().First(p => p.Parameter == model.TokenEmbedding.Weight).Path;
}
