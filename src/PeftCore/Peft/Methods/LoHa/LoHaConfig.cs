using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.LoHa;

/// <summary>Hyperparameters of LoHa (Hyeon-Woo et al. 2021, FedPara). Defaults are Hugging Face's.</summary>
public sealed record LoHaConfig : LycorisConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public LoHaConfig()
    {
    }

    private LoHaConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "LOHA";

    /// <summary>Whether one factor starts at zero, so that the adapter starts as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal static LoHaConfig Read(ConfigReader config) => new(config) { InitWeights = config.Bool("init_weights", true) };

    internal override void WriteOwn(JsonObject json)
    {
        base.WriteOwn(json);
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        Hyperparameters.Dropout("rank_dropout", RankDropout);
        Hyperparameters.Dropout("module_dropout", ModuleDropout);
        return new TargetedLayers(context, this).Attach((path, layer, site) => new LoHaAdapter(context, this, path, layer, site));
    }
}
