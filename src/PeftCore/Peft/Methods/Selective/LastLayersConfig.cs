namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of partial fine-tuning: trains all weights of the last blocks of the base. Backward ends at the first trained
/// block.</summary>
public sealed record LastLayersConfig : PeftConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<LastLayersConfig> Fields { get; } = new ConfigFields<LastLayersConfig>(new())
        .Common()
        .Int("num_trained_layers", c => c.NumTrainedLayers, (c, v) => c with { NumTrainedLayers = v },
            "Number of blocks that train, from the last on.", min: 1)
        .Bool("train_last_norm", c => c.TrainLastNorm, (c, v) => c with { TrainLastNorm = v },
            "Train the norm behind the last block too.")
        .Bool("train_head", c => c.TrainHead, (c, v) => c with { TrainHead = v }, "Train the output head too.");

    /// <summary>How many blocks train, from the last on.</summary>
    public int NumTrainedLayers { get; init; } = 1;

    /// <summary>Whether the norm after the last block is trained too.</summary>
    internal bool TrainLastNorm { get; init; } = true;

    /// <summary>Whether the output head is trained too.</summary>
    internal bool TrainHead { get; init; }

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        int blocks = context.Base.BlockCount;
        if (NumTrainedLayers > blocks)
        {
            throw new BadInputException(blocks == 0
                ? $"{context.Base.ModelType} models are no sequence of blocks, so none of them is the last; choose another method"
                : $"num_trained_layers is {NumTrainedLayers}; this model has {blocks}, so choose 1 to {blocks}");
        }
        var modules = Enumerable.Range(blocks - NumTrainedLayers, NumTrainedLayers).Select(block => context.Base.ResidualsOf(block).Block)
            .ToList();
        if (TrainLastNorm)
        {
            modules.AddRange(context.Base.FinalNorms);
        }
        if (TrainHead)
        {
            modules.AddRange(context.Base.HeadLayers);
        }
        return Whole.Attach(context, this, modules);
    }
}

/// <summary>Hyperparameters of training the output head alone (linear probing), the cheapest method. A head that is tied to the embedding
/// is trained as a copy.</summary>
public sealed record HeadConfig : PeftConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<HeadConfig> Fields { get; } = new ConfigFields<HeadConfig>(new())
        .Common();

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context) => Whole.Attach(context, this, context.Base.HeadLayers);
}

/// <summary>Trained copies that replace whole modules.</summary>
internal static class Whole
{
    public static Adapter Attach(AttachContext context, PeftConfig config, IReadOnlyList<Nn.Module> modules)
    {
        var adapter = context.NewAdapter(config);
        var paths = context.Base.NamedModules().Where(module => modules.Contains(module.Module)).Select(module => module.Path);
        adapter.Swaps.AddRange(new SavedModules(context, [.. paths]).Modules());
        return adapter;
    }
}
