namespace PeftCore.Peft.FourierFt;

/// <summary>Hyperparameters of FourierFT (Gao et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record FourierFtConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<FourierFtConfig> Fields { get; } = new ConfigFields<FourierFtConfig>(new())
        .Targets(bias: "fourier_only", exclude: true, layers: true, fanInFanOut: true)
        .Int("n_frequency", c => c.Frequencies, (c, v) => c with { Frequencies = v }, "n, how many frequencies of ΔW learn.", min: 1)
        .Float("scaling", c => c.Scaling, (c, v) => c with { Scaling = v }, "α, the scale of ΔW.")
        .Int("random_loc_seed", c => c.LocationSeed, (c, v) => c with { LocationSeed = v },
            "Seed that chooses the frequencies, drawn as PyTorch draws them.")
        .IntPattern("n_frequency_pattern", c => c.FrequencyPattern, (c, v) => c with { FrequencyPattern = v },
            "n of single layers, by a pattern for the end of the module's path; the first match counts.")
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start the coefficients at zero, so that the adapter starts as the identity; otherwise at standard normal numbers.");

    /// <summary>n, how many frequencies of ΔW learn.</summary>
    public int Frequencies { get; init; } = 1000;

    /// <summary>α, the scale of ΔW.</summary>
    public double Scaling { get; init; } = 150;

    /// <summary>Seed of the random frequencies, which are drawn as in PyTorch: the file holds only the seed.</summary>
    internal int LocationSeed { get; init; } = 777;

    /// <summary>Numbers of frequencies of individual layers, by a pattern for the end of the path; the first match applies.</summary>
    internal IReadOnlyList<KeyValuePair<string, int>> FrequencyPattern { get; init; } = [];

    /// <summary>Whether the coefficients start at zero, so that the adapter starts as the identity; otherwise they are standard
    /// normal.</summary>
    public bool InitWeights { get; init; }

    internal override bool StartsAsBase => InitWeights;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var bases = new Dictionary<(int, int, int), FourierBasis>();
        return new TargetedLayers(context, this).Attach((path, layer, site) =>
        {
            int n = TargetMatching.Lookup(FrequencyPattern, path, Frequencies, "n_frequency_pattern");
            if (n < 1 || n > (long)layer.Inputs * layer.Outputs)
            {
                throw new BadInputException(
                    $"n_frequency is {n}; \"{path}\" has from 1 to {(long)layer.Inputs * layer.Outputs} frequencies");
            }
            var key = (layer.Inputs, layer.Outputs, n);
            if (!bases.TryGetValue(key, out var shared))
            {
                bases.Add(key, shared = new FourierBasis(context, layer, n, (ulong)LocationSeed));
            }
            return new FourierFtAdapter(context, this, path, layer, shared, site);
        });
    }
}
