using PeftCore.Nn;

namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of trainable tokens: trained rows replace chosen rows of an embedding, for new tokens or new meanings of
/// existing ones.</summary>
public sealed record TrainableTokensConfig : PeftConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<TrainableTokensConfig> Fields { get; } = new ConfigFields<TrainableTokensConfig>(new())
        .Common()
        .Ints("token_indices", c => c.TokenIndices, (c, v) => c with { TokenIndices = v }, "Numbers of the tokens whose rows train.")
        .Modules("target_modules", c => c.TargetModules, (c, v) => c with { TargetModules = v },
            "Embeddings that the rows belong to; null for the model's input embedding.")
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start from the base's rows; otherwise from standard normal numbers.");

    /// <summary>The tokens.</summary>
    public IReadOnlyList<int> TokenIndices { get; init; } = [];

    /// <summary>The embeddings whose rows are trained; null for the model's input embedding.</summary>
    public ModuleSelector? TargetModules { get; init; }

    /// <summary>Whether the rows start as copies of the base's rows; otherwise they are standard normal.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal override Adapter AttachTo(AttachContext context)
    {
        var embedding = context.Base.TokenEmbedding;
        string input = context.Base.NamedModules().First(module => module.Module == embedding).Path;
        var targets = TargetModules ?? ModuleSelector.Of(input);
        var adapter = context.NewAdapter(this with { TargetModules = targets });
        var names = new TokenNames("token_indices", "trainable_tokens_delta", SavesTied: true);
        foreach (var (path, layer) in TargetMatching.Find(context.Base, targets, new(Strict: context.IsNew), module => module is Embedding
            || module == context.Base.VocabularyHead,
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
