using PeftCore.Nn;

namespace PeftCore.Peft.Lora;

/// <summary>Attaches a LoRA adapter to a model: a <see cref="LoraLayer"/> for each linear layer and convolution and a
/// <see cref="LoraEmbeddingLayer"/> for each embedding among the targets, then trained biases, modules to save and trainable
/// tokens.</summary>
internal sealed class LoraAttachment(AttachContext context, LoraConfig config)
{
    private Adapter _adapter = null!;

    public Adapter Attach()
    {
        LoraChecks.Check(config);
        LoraChecks.CheckData(context, config);
        var targets = TargetedLayers.WithConvolutions(context, config);
        _adapter = targets.NewAdapter();
        ulong site = 0;
        foreach (var (path, layer) in targets.Layers)
        {
            Add(path, layer, site++);
        }
        foreach (var target in ExpertTarget.Of(context, config))
        {
            _adapter.Layers.Add((target.Path, new LoraExpertLayer(context, config, target, site++)));
        }
        AddTied(targets, site);
        targets.Finish(_adapter);
        if (config.EnsureWeightTying)
        {
            WeightTying.ShareSaved(context, _adapter);
        }
        TargetMatching.CheckPatterns(context, "rank_pattern", config.RankPattern, _adapter);
        TargetMatching.CheckPatterns(context, "alpha_pattern", config.AlphaPattern, _adapter);
        if (config.Init.NeedsData && config.Init.ChangesBase)
        {
            _adapter.State = () => LoraState.Of(_adapter);
        }
        TrainableTokens.Attach(context, _adapter, config.TrainableTokens);
        return _adapter;
    }

    // Targets are linear layers, convolutions and embeddings only; TargetMatching refuses others.
    private void Add(string path, Layer layer, ulong site) => _adapter.Layers.Add((path, layer is MatrixLayer linear
        ? new LoraLayer(context, config, path, linear, site)
        : new LoraEmbeddingLayer(context, config, path, (Embedding)layer, site)));

    /// <summary>Adds a LoRA to the second of two tied tables if only one is a target and the file has factors for both: Hugging Face PEFT
    /// shares the factors between them and saves both.</summary>
    private void AddTied(TargetedLayers targets, ulong site)
    {
        if (!config.EnsureWeightTying || !context.Base.IsTied)
        {
            return;
        }
        string embedding = WeightTying.PathOf(context.Base, context.Base.TokenEmbedding),
            head = WeightTying.PathOf(context.Base, context.Base.VocabularyHead!);
        var there = targets.Layers.Where(target => target.Path == embedding || target.Path == head).Select(target => target.Path).ToList();
        if (there is [var one] && context.StoredShape(AdapterParameter.Prefix + (one == head ? embedding + ".lora_embedding_A" : head +
            ".lora_A.weight")) is not null)
        {
            if (one == head)
            {
                Add(embedding, context.Base.TokenEmbedding, site);
            }
            else
            {
                Add(head, context.Base.VocabularyHead!, site);
            }
        }
        else if (there.Count > 0 && there.Exists(path => WeightTying.IsKnown(path)) && (there.Count == 1 || context.IsNew))
        {
            throw WeightTying.NotThere(context, there[0], there[0] == head ? embedding : head);
        }
    }
}
