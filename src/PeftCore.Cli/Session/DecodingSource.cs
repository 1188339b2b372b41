using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>The model of bench generate, from a directory or a config.json, with optional saved adapters, and the memory plan of
/// decoding.</summary>
internal sealed record DecodingSource(DecodingOptions Options)
{
    /// <summary>Loads the model, or creates it with random weights, and loads its adapters.</summary>
    /// <exception cref="BadInputException">A file is missing, or the text does not fit the model's context.</exception>
    public PeftModel Build(Backend backend, Action<string>? warn = null)
    {
        if (Options.Model is null == Options.Config is null)
        {
            throw new BadInputException("expected either --model DIR or --config FILE, the model to time.");
        }
        var peft = new PeftModel(ModelSource.BaseOf(Options.ForTraining, Options.Config, backend, warn));
        peft.LoadAll(Options.Adapters, warn);
        int places = peft.Base.VirtualTokenCount, length = Options.PromptLength + Options.MaxNewTokens + places;
        return length <= peft.Base.MaxLength ? peft : throw new BadInputException(
            $"--prompt-length {Options.PromptLength} and --max-new-tokens {Options.MaxNewTokens}{(places > 0 ? $" with {places} virtual " +
            "tokens" : "")} " +
            $"make {length} tokens, but the model's context holds {peft.Base.MaxLength}; lower one of them.");
    }

    /// <summary>Keeps the weights of blocks that do not fit within --max-memory off the device.</summary>
    /// <returns>The plan; null without a limit.</returns>
    /// <exception cref="BadInputException">The run does not fit.</exception>
    public MemoryPlan? Within(Backend backend) => new PassPlan(Options.Limits, Options.Device, Options.ForTraining.UsePackedWeights)
        .Apply(backend, on => Build(on), (model, on) => TimedDecoding.Run(model.Base, on, Options.Shape), refuses: true);

    /// <summary>The planned peak memory of decoding in bytes, from a run on the meta backend.</summary>
    public long PlannedPeak()
    {
        var options = Options.ForTraining;
        using var backend = new MetaBackend(options.Activations, options.UsePackedWeights, tensorCores: options.TensorCores);
        using var scope = new TensorScope();
        var model = Build(backend);
        // The first run also allocates tensors that later runs reuse, such as tables of positions.
        TimedDecoding.Run(model.Base, backend, Options.Shape);
        backend.Memory.ResetPeak();
        TimedDecoding.Run(model.Base, backend, Options.Shape);
        return backend.Memory.PeakBytes;
    }
}
