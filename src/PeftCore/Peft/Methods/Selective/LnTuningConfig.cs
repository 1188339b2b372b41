using PeftCore.Nn;

namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of LN tuning (Zhao et al. 2023, "Tuning LayerNorm in Attention"): trained copies replace the norms.</summary>
public sealed record LnTuningConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<LnTuningConfig> Fields { get; } = new ConfigFields<LnTuningConfig>(new())
        .Targets(exclude: true);

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var targets = new TargetedLayers(context, this, module => module is Linear or RmsNorm or LayerNorm or Embedding,
            "no norm, linear layer or embedding");
        var adapter = targets.NewAdapter();
        foreach (var (path, layer) in targets.Layers)
        {
            adapter.Layers.Add((path, new LayerCopy(layer, context)));
        }
        targets.Finish(adapter);
        return adapter;
    }
}
