using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>A model from a directory, or from a config.json alone with random weights, with a fresh adapter on it: what plan and bench
/// run.</summary>
/// <param name="Options">The flags; Model names the directory.</param>
/// <param name="Config">A config.json; null to use the directory.</param>
/// <param name="Adapted">The adapter's configuration; null for that of the flags.</param>
/// <param name="Warn">Gets a sentence for everything about the files that is contradictory.</param>
internal sealed record ModelSource(TrainOptions Options, string? Config, PeftConfig? Adapted = null, Action<string>? Warn = null)
{
    /// <summary>A sentence for what a plan without data cannot know; null if there is nothing.</summary>
    public string? Unknown => AdapterSetup.ConfigOf(Options) is LoraConfig { Init: LoraInit.Eva }
        ? "eva moves ranks between layers by what the data show; here every layer has the rank asked for, and none is left out" : null;

    /// <summary>Loads or makes the model on a backend, and attaches the adapter the flags describe.</summary>
    public PeftModel Build(Backend backend)
    {
        var model = BaseOf(Options, Config, backend, Warn);
        var peft = new PeftModel(model);
        peft.AddPlannedAdapter(Adapted ?? AdapterSetup.ConfigOf(Options), Options.Seed);
        model.GradientCheckpointing = Options.GradientCheckpointing;
        return peft;
    }

    /// <summary>Loads the model of a directory, or makes that of a config.json with random weights.</summary>
    public static CausalModel BaseOf(TrainOptions options, string? config, Backend backend, Action<string>? warn = null)
    {
        CausalModel model;
        if (config is null)
        {
            model = BaseLoading.Load(options.Model!, backend, options.Dtype == DType.BF16 ? DType.BF16 : null, warn);
        }
        else
        {
            var warnings = new List<string>();
            model = ModelLoader.Declare(ConfigReader.Open(config), warnings);
            warnings.ForEach(warning => warn?.Invoke(warning));
            ModelLoader.Initialize(model, backend, options.Dtype, options.Seed);
        }
        if (options.ResizeTokenEmbeddings is { } rows)
        {
            model.ResizeTokenEmbeddings(rows);
        }
        return model;
    }

    /// <summary>Plans a step without allocating weights.</summary>
    public MemoryPlan Plan() => MemoryPlan.Of(backend => new TrainableAdapter(Build(backend)), Options.BatchSize, Length(), Trainer(),
        Options.Activations, Options.Packs);

    /// <summary>The longest sequence: --max-seq-length, or the model's usual length.</summary>
    public int Length()
    {
        if (Config is not null && Options.Model is not null)
        {
            throw new BadInputException("expected either --model DIR or --config FILE, but both are given; leave one of them out.");
        }
        var config = Config is { } file ? ConfigReader.Open(file)
            : ModelDirectory.Open(Options.Model
                ?? throw new BadInputException("expected --model DIR or --config FILE, the model to plan for.")).OpenConfig();
        return DataSetup.LengthOf(ModelLoader.Declare(config), Options.MaxSeqLength, AdapterSetup.PlacesOf(AdapterSetup.ConfigOf(Options)));
    }

    private TrainerOptions Trainer() => new()
    {
        GradientAccumulationSteps = Options.GradientAccumulationSteps,
        Optimizer = Options.Optimizer,
        MaxGradNorm = Options.MaxGradNorm,
    };
}
