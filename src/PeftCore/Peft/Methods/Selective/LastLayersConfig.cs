using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Selective;

/// <summary>Trains the last blocks of the base whole, as fine-tuning did before adapters; nothing runs backward below them.</summary>
public sealed record LastLayersConfig : PeftConfig
{
    /// <inheritdoc/>
    public override string PeftType => "LAST_LAYERS";

    /// <summary>How many blocks train, from the last on.</summary>
    public int NumTrainedLayers { get; init; } = 1;

    /// <summary>The norm behind the last block trains too.</summary>
    public bool TrainLastNorm { get; init; } = true;

    /// <summary>The output head trains too.</summary>
    public bool TrainHead { get; init; }

    internal static LastLayersConfig Read(ConfigReader config) => new()
    {
        TaskType = config.StringOrNull("task_type"),
        BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path"),
        Revision = config.StringOrNull("revision"),
        NumTrainedLayers = config.Int("num_trained_layers", 1, min: 1),
        TrainLastNorm = config.Bool("train_last_norm", true),
        TrainHead = config.Bool("train_head", false),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void Write(JsonObject json)
    {
        json["num_trained_layers"] = NumTrainedLayers;
        json["train_last_norm"] = TrainLastNorm;
        json["train_head"] = TrainHead;
    }

    internal override Adapter Attach(AttachContext context)
    {
        int blocks = context.Base.LayerCount;
        if (NumTrainedLayers < 1 || NumTrainedLayers > blocks)
        {
            throw new BadInputException($"num_trained_layers is {NumTrainedLayers}; this model has {blocks}, so choose 1 to {blocks}");
        }
        var modules = Enumerable.Range(blocks - NumTrainedLayers, NumTrainedLayers).Select(block => context.Base.ResidualsOf(block).Block)
            .ToList();
        if (TrainLastNorm)
        {
            modules.Add(context.Base.FinalNorm);
        }
        if (TrainHead)
        {
            modules.Add(context.Base.Head);
        }
        return Whole.Attach(context, this, modules);
    }
}

/// <summary>Trains the output head alone: the cheapest thing that learns. A head that is tied to the embedding trains as a copy.</summary>
public sealed record HeadConfig : PeftConfig
{
    /// <inheritdoc/>
    public override string PeftType => "HEAD";

    internal static HeadConfig Read(ConfigReader config) => new()
    {
        TaskType = config.StringOrNull("task_type"),
        BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path"),
        Revision = config.StringOrNull("revision"),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void Write(JsonObject json)
    {
    }

    internal override Adapter Attach(AttachContext context) => Whole.Attach(context, this, [context.Base.Head]);
}

/// <summary>Copies of whole modules that train in their place.</summary>
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
