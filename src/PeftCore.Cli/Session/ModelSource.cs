using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>The model of plan and bench step: from a directory, or from a config.json with random weights, and with a new
/// adapter.</summary>
/// <param name="Options">The flags; Model names the directory.</param>
/// <param name="Config">A config.json; null to use the directory.</param>
/// <param name="Adapted">The adapter's configuration; null for that of the flags.</param>
/// <param name="Warn">Receives a sentence for each contradiction in the files.</param>
internal sealed record ModelSource(TrainOptions Options, string? Config, PeftConfig? Adapted = null, Action<string>? Warn = null)
{
    private const long MostTokens = 1L << 26;

    /// <summary>The task of the model; null for that of its architecture.</summary>
    public TaskOptions? Task { get; init; } = TaskChoice.Planned(Options);

    /// <summary>A note about a part of the plan that depends on data; null if there is none.</summary>
    public string? Unknown => AdapterSetup.ConfigOf(Options) is LoraConfig { Init: LoraInit.Eva }
        ? "eva moves ranks between layers by what the data show; here every layer has the rank asked for, and none is left out" : null;

    /// <summary>Loads the model, or creates it with random weights, and attaches the adapter of the flags.</summary>
    public PeftModel Build(Backend backend)
    {
        var model = BaseOf(Options, Config, backend, Warn, Task);
        var peft = new PeftModel(model);
        peft.AddPlannedAdapter(Adapted ?? AdapterSetup.ConfigOf(Options), Options.Seed);
        model.GradientCheckpointing = Options.GradientCheckpointing;
        model.OffloadCheckpoints = Options.UseHostCheckpoints;
        return peft;
    }

    /// <summary>Loads the model of a directory, or creates that of a config.json with random weights.</summary>
    public static TransformerModel BaseOf(TrainOptions options, string? config, Backend backend, Action<string>? warn = null,
        TaskOptions? task = null)
    {
        TransformerModel model;
        if (config is null)
        {
            model = BaseLoading.Load(options.Model!, backend, BaseLoading.StoredAs(options), warn, task, options.Quantization.ToOptions());
        }
        else
        {
            var warnings = new List<string>();
            model = ModelLoader.Declare(ConfigReader.Open(config), warnings, task);
            warnings.ForEach(warning => warn?.Invoke(warning));
            ModelLoader.Initialize(model, backend, options.Dtype, options.Seed, options.Quantization.ToOptions());
        }
        if (options.ResizeTokenEmbeddings is { } rows)
        {
            model.ResizeTokenEmbeddings(rows);
        }
        return model;
    }

    /// <summary>Plans a step without allocating weights.</summary>
    /// <param name="ownBytes">What the device takes beside its arena.</param>
    /// <exception cref="BadInputException">The batch is too large to be made: a plan holds the tokens of its batch.</exception>
    public MemoryPlan Plan(long ownBytes = 0)
    {
        int length = Length();
        return (long)Options.BatchSize * length <= MostTokens
            ? MemoryPlan.Of(Build, Options.BatchSize, length, Trainer(), Options.Activations, Options.UsePackedWeights,
                Options.MaxMemory is { } limit ? Math.Max(0, limit.Bytes - ownBytes) : long.MaxValue, Options.ChunkBytes, TargetLength(),
                Options.TensorCores, Options.HostLimit, Options.KeepOnDisk)
            : throw new BadInputException($"--batch-size {Options.BatchSize} with sequences of {length} tokens makes a batch of more " +
                $"than {MostTokens} tokens; choose a smaller one.");
    }

    /// <summary>The sequence length: --max-seq-length, or the default for the model.</summary>
    public int Length() =>
        DataSetup.LengthOf(Declared(), Options.MaxSeqLength, AdapterSetup.PlacesOf(AdapterSetup.ConfigOf(Options)));

    /// <summary>The length of an encoder-decoder's targets; 0 for other models.</summary>
    public int TargetLength() => DataSetup.TargetLengthOf(Declared(), Options) ?? 0;

    /// <summary>The size of a batch: "8 × 512", "8 × 512 to 64", "8 pictures".</summary>
    public string BatchText()
    {
        int targets = TargetLength();
        return Declared().Task switch
        {
            ModelTask.ImageClassification or ModelTask.NoisePrediction => $"{Options.BatchSize} pictures",
            ModelTask.Contrastive => $"{Options.BatchSize} pictures with texts of {Length()}",
            _ => $"{Options.BatchSize} × {Length()}{(targets > 0 ? $" to {targets}" : "")}",
        };
    }

    /// <summary>The model as its configuration declares it.</summary>
    public TransformerModel Declared() => ModelLoader.Declare(OpenConfig(), task: Task);

    /// <summary>The model's configuration.</summary>
    /// <exception cref="BadInputException">No model is given, or two are.</exception>
    public ConfigReader OpenConfig()
    {
        if (Config is not null && Options.Model is not null)
        {
            throw new BadInputException("expected either --model DIR or --config FILE, but both are given; leave one of them out.");
        }
        return Config is { } file ? ConfigReader.Open(file)
            : ModelDirectory.Open(Options.Model
                ?? throw new BadInputException("expected --model DIR or --config FILE, the model to plan for.")).OpenConfig();
    }

    private TrainerOptions Trainer() => new()
    {
        GradientAccumulationSteps = Options.GradientAccumulationSteps,
        Optimizer = Options.DeviceOptimizer,
        LoraPlusRates = (Options.LoraplusLrRatio, Options.LoraplusLrEmbedding),
        MaxGradNorm = Options.MaxGradNorm,
    };
}
