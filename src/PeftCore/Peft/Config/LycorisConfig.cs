using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>The settings that LoHa and LoKr share; both come from the LyCORIS project.</summary>
public abstract record LycorisConfig : TargetedConfig
{
    private protected LycorisConfig()
    {
    }

    /// <summary>r, the rank of each factor.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>α; the update is scaled by α/r.</summary>
    public double Alpha { get; init; } = 8;

    /// <summary>Probability that an output's update is dropped in a training step.</summary>
    internal double RankDropout { get; init; }

    /// <summary>Probability that a layer's whole update is dropped in a training step.</summary>
    internal double ModuleDropout { get; init; }

    /// <summary>Ranks of individual layers, by a pattern for the end of the path; the first match applies.</summary>
    internal IReadOnlyList<KeyValuePair<string, int>> RankPattern { get; init; } = [];

    /// <summary>α of individual layers, by a pattern for the end of the path; the first match applies.</summary>
    internal IReadOnlyList<KeyValuePair<string, double>> AlphaPattern { get; init; } = [];

    /// <summary>Whether the update of a convolution with a kernel larger than 1 × 1 is a product of three factors, one of them over the
    /// kernel (a CP decomposition), instead of two.</summary>
    internal bool UseEffectiveConv2d { get; init; }

    /// <summary>Rank and scale on a layer.</summary>
    internal (int Rank, float Scale) On(string path)
    {
        int rank = TargetMatching.Lookup(RankPattern, path, Rank, "rank_pattern");
        return (rank, Hyperparameters.Scale("alpha", path, TargetMatching.Lookup(AlphaPattern, path, Alpha, "alpha_pattern") / rank));
    }

    internal override bool SupportsGraphCapture => RankDropout == 0 && ModuleDropout == 0;
}

/// <summary>The fields of <see cref="LycorisConfig"/>.</summary>
internal static class LycorisFields
{
    public static ConfigFields<T> Lycoris<T>(this ConfigFields<T> fields)
        where T : LycorisConfig => fields
        .Targets(exclude: true, layers: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v }, "Rank r of each factor.", min: 1)
        .Number("alpha", c => c.Alpha, (c, v) => c with { Alpha = v }, "α; the update is scaled by α/r.")
        .Fraction("rank_dropout", c => c.RankDropout, (c, v) => c with { RankDropout = v },
            "Probability that an output's update is dropped in a training step.")
        .Fraction("module_dropout", c => c.ModuleDropout, (c, v) => c with { ModuleDropout = v },
            "Probability that a layer's whole update is dropped in a training step.")
        .IntPattern("rank_pattern", c => c.RankPattern, (c, v) => c with { RankPattern = v },
            "Ranks of single layers, by a pattern for the end of the module's path; the first match counts.")
        .FloatPattern("alpha_pattern", c => c.AlphaPattern, (c, v) => c with { AlphaPattern = v },
            "α of single layers, by a pattern for the end of the module's path; the first match counts.")
        .Bool("use_effective_conv2d", c => c.UseEffectiveConv2d, (c, v) => c with { UseEffectiveConv2d = v },
            "Decompose the kernel of a convolution as well: three factors instead of two.");
}

/// <summary>Dropout of single outputs of an update, or of the whole update, in training. The mask depends only on layer and step, so that a
/// recomputation in backward gets the same one.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Rank">Probability that an output is dropped.</param>
/// <param name="Module">Probability that the whole update is dropped.</param>
/// <param name="Site">Index of the layer, which selects the random stream.</param>
/// <param name="Rescale">Whether the outputs that are kept are rescaled to compensate.</param>
internal readonly record struct LycorisDropout(Nn.MatrixLayer Layer, float Rank, float Module, ulong Site, bool Rescale)
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
