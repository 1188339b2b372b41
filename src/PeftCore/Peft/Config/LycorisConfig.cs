using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>What LoHa and LoKr share; both come from the LyCORIS project.</summary>
public abstract record LycorisConfig : TargetedConfig
{
    private protected LycorisConfig()
    {
    }

    private protected LycorisConfig(ConfigReader config) : base(config)
    {
        Rank = config.Int("r", 8, min: 1);
        Alpha = config.Float("alpha", 8);
        RankDropout = config.Float("rank_dropout", 0, min: 0, max: 1);
        ModuleDropout = config.Float("module_dropout", 0, min: 0, max: 1);
        RankPattern = ConfigFields.IntPattern(config, "rank_pattern");
        AlphaPattern = ConfigFields.FloatPattern(config, "alpha_pattern");
        UseEffectiveConv2d = config.Bool("use_effective_conv2d", false);
    }

    /// <summary>r, the rank of each factor.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/r.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>How likely an output's update is dropped in training.</summary>
    public double RankDropout { get; init; }

    /// <summary>How likely a layer's whole update is dropped in training.</summary>
    public double ModuleDropout { get; init; }

    /// <summary>Ranks that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> RankPattern { get; init; } = [];

    /// <summary>Alphas that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> AlphaPattern { get; init; } = [];

    /// <summary>Of convolutions, which are not adapted here; kept for the file.</summary>
    public bool UseEffectiveConv2d { get; init; }

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers;

    /// <summary>Rank and scale on a layer.</summary>
    internal (int Rank, float Scale) On(string path)
    {
        int rank = TargetMatching.Lookup(RankPattern, path, Rank, "rank_pattern");
        Hyperparameters.Rank(rank);
        return (rank, Hyperparameters.Scale("alpha", path, TargetMatching.Lookup(AlphaPattern, path, Alpha, "alpha_pattern") / rank));
    }

    internal override bool SupportsGraphCapture => RankDropout == 0 && ModuleDropout == 0;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["alpha"] = ConfigFields.Number(Alpha);
        json["rank_dropout"] = Float(RankDropout);
        json["module_dropout"] = Float(ModuleDropout);
        json["rank_pattern"] = ConfigFields.ToJson(RankPattern);
        json["alpha_pattern"] = ConfigFields.ToJson(AlphaPattern);
        json["use_effective_conv2d"] = UseEffectiveConv2d;
    }
}

/// <summary>Drops whole outputs of an update, or the update itself, while training. What is dropped depends on layer and step alone, so
/// backward finds the same again.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Rank">How likely an output is dropped.</param>
/// <param name="Module">How likely all are.</param>
/// <param name="Site">The layer's number.</param>
/// <param name="Rescale">Whether the outputs that are kept make up for those that are not.</param>
internal readonly record struct LycorisDropout(Nn.Linear Layer, float Rank, float Module, ulong Site, bool Rescale)
{
    /// <summary>Factors of the outputs; null when nothing is dropped.</summary>
    public float[]? Factors()
    {
        if (!Layer.Mode.Training || (Rank <= 0 && Module <= 0))
        {
            return null;
        }
        ulong stream = new LayerDropout(Layer, 1, Site).Stream;
        float[] factors = new float[Layer.Outputs];
        if (Unit(stream, ulong.MaxValue) < Module)
        {
            return factors;
        }
        int kept = 0;
        for (int o = 0; o < factors.Length; o++)
        {
            factors[o] = Unit(stream, (ulong)o) >= Rank ? 1 : 0;
            kept += (int)factors[o];
        }
        return Rescale && kept > 0 ? Array.ConvertAll(factors, factor => factor * Scale(kept, factors.Length)) : factors;
    }

    private static float Scale(int kept, int all) => (float)all / kept;

    private double Unit(ulong stream, ulong index) => Kernels.Philox.Next(Layer.Mode.Seed, stream, index).X / (double)(1UL << 32);
}
