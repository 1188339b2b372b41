using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of trainable tokens: rows of an embedding train in the place of the base's own, for new tokens or new meanings
/// of old ones.</summary>
public sealed record TrainableTokensConfig : PeftConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public TrainableTokensConfig()
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "TRAINABLE_TOKENS";

    /// <summary>The tokens.</summary>
    public IReadOnlyList<int> TokenIndices { get; init; } = [];

    /// <summary>The embeddings; null for the model's input embedding.</summary>
    public ModuleSelector? TargetModules { get; init; }

    /// <summary>Start from the base's rows; otherwise from standard normal numbers.</summary>
    public bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal static TrainableTokensConfig Read(ConfigReader config) => new()
    {
        TaskType = config.StringOrNull("task_type"),
        BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path"),
        Revision = config.StringOrNull("revision"),
        TokenIndices = config.IntsOrNull("token_indices") ?? [],
        TargetModules = ModuleSelector.Read(config, "target_modules"),
        InitWeights = config.Bool("init_weights", true),
    };

    internal override void Write(JsonObject json)
    {
        json["token_indices"] = Integers(TokenIndices);
        json["target_modules"] = TargetModules?.ToJson();
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        string input = context.Base.NamedModules().First(module => module.Module == context.Base.TokenEmbedding).Path;
        var targets = TargetModules ?? ModuleSelector.Of(input);
        var adapter = context.NewAdapter(this with { TargetModules = targets });
        var names = new TokenNames("token_indices", "trainable_tokens_delta", SavesTied: true);
        foreach (var (path, layer) in TargetMatching.Find(context.Base, targets, new(Strict: context.IsNew), module => module is Embedding
            || module == context.Base.Head,
            "neither an embedding nor the output head"))
        {
            // Rows of a shared table are attached with the embedding.
            if (!adapter.Layers.Exists(attached => attached.Path == path))
            {
                TrainableTokens.Attach(context, adapter, path, layer, TokenIndices, names, InitWeights);
            }
        }
        return adapter;
    }
}
