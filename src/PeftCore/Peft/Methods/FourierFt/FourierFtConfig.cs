using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.FourierFt;

/// <summary>Hyperparameters of FourierFT (Gao et al. 2024). Defaults are Hugging Face's.</summary>
public sealed record FourierFtConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public FourierFtConfig()
    {
    }

    private FourierFtConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "FOURIERFT";

    /// <summary>n, how many frequencies of ΔW learn.</summary>
    public int Frequencies { get; init; } = 1000;

    /// <summary>α, the scale of ΔW.</summary>
    public double Scaling { get; init; } = 150;

    /// <summary>Seed of which frequencies they are, drawn as PyTorch draws them: the file holds only the seed.</summary>
    public int LocationSeed { get; init; } = 777;

    /// <summary>Numbers of frequencies that differ, by a pattern for the end of the path; the first that matches counts.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> FrequencyPattern { get; init; } = [];

    /// <summary>Whether the coefficients start at zero, so that the adapter starts as the identity; otherwise they are normal.</summary>
    public bool InitWeights { get; init; }

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "fourier_only";

    internal override bool StartsAsBase => InitWeights;

    internal static FourierFtConfig Read(ConfigReader config) => new(config)
    {
        Frequencies = config.Int("n_frequency", 1000, min: 1),
        Scaling = config.Float("scaling", 150),
        LocationSeed = config.Int("random_loc_seed", 777),
        FrequencyPattern = ConfigFields.IntPattern(config, "n_frequency_pattern"),
        InitWeights = config.Bool("init_weights", false),
    };

    internal override bool SupportsGraphCapture => true;

    internal override void WriteOwn(JsonObject json)
    {
        json["n_frequency"] = Frequencies;
        json["scaling"] = Float(Scaling);
        json["random_loc_seed"] = LocationSeed;
        json["n_frequency_pattern"] = ConfigFields.ToJson(FrequencyPattern);
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        var waves = new Dictionary<(int, int, int), FourierBasis>();
        return new TargetedLayers(context, this).Attach((path, layer, site) =>
        {
            int n = TargetMatching.Lookup(FrequencyPattern, path, Frequencies, "n_frequency_pattern");
            if (n < 1 || n > (long)layer.Inputs * layer.Outputs)
            {
                throw new BadInputException(
                    $"n_frequency is {n}; \"{path}\" has from 1 to {(long)layer.Inputs * layer.Outputs} frequencies");
            }
            var key = (layer.Inputs, layer.Outputs, n);
            if (!waves.TryGetValue(key, out var shared))
            {
                waves.Add(key, shared = new FourierBasis(context, layer, n, (ulong)LocationSeed));
            }
            return new FourierFtAdapter(context, this, path, layer, shared, site);
        });
    }
}
