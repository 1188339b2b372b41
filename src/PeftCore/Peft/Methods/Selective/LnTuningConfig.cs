using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of LN tuning (Zhao et al. 2023, "Tuning LayerNorm in Attention"): copies of the norms train in their
/// place.</summary>
public sealed record LnTuningConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public LnTuningConfig()
    {
    }

    private LnTuningConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "LN_TUNING";

    internal override TargetFields Fields => TargetFields.Exclude;

    internal static LnTuningConfig Read(ConfigReader config) => new(config);

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
    }

    internal override Adapter Attach(AttachContext context)
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
