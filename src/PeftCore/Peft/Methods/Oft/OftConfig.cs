using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Oft;

/// <summary>Hyperparameters of OFT (Qiu et al. 2023, 2025). Defaults are Hugging Face's.</summary>
public sealed record OftConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public OftConfig()
    {
    }

    private OftConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "OFT";

    /// <summary>r, how many blocks; 0 if their size is given.</summary>
    public int Rank { get; init; }

    /// <summary>b, side of the blocks; 0 if their number is given. One that does not divide the inputs gives way to the nearest that
    /// does.</summary>
    public int BlockSize { get; init; } = 32;

    /// <summary>Share of blocks that are the identity in a training step.</summary>
    public double ModuleDropout { get; init; }

    /// <summary>Keep blocks near the identity (constrained OFT).</summary>
    public bool Constrained { get; init; }

    /// <summary>How near.</summary>
    public double Epsilon { get; init; } = 6e-5;

    /// <summary>One block for all.</summary>
    public bool BlockShare { get; init; }

    /// <summary>Approximate Cayley's inverse by a series.</summary>
    public bool UseCayleyNeumann { get; init; } = true;

    /// <summary>Terms of the series.</summary>
    public int NeumannTerms { get; init; } = 5;

    /// <summary>Whether blocks start as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "oft_only";

    internal override bool StartsAsBase => InitWeights;

    internal static OftConfig Read(ConfigReader config) => new(config)
    {
        Rank = config.Int("r", 0, min: 0),
        BlockSize = config.Int("oft_block_size", config.Int("r", 0) > 0 ? 0 : 32, min: 0),
        ModuleDropout = config.Float("module_dropout", 0, min: 0, max: 1),
        Constrained = config.Bool("coft", false),
        Epsilon = config.Float("eps", 6e-5),
        BlockShare = config.Bool("block_share", false),
        UseCayleyNeumann = config.Bool("use_cayley_neumann", true),
        NeumannTerms = config.Int("num_cayley_neumann_terms", 5, min: 1),
        InitWeights = config.Bool("init_weights", true),
        Notes = ComesBeforeNewSeries(config)
        ? ["use_cayley_neumann is true, and the file is older than Hugging Face PEFT 0.18, which computes the series differently since; " +
        "train the adapter again, or expect small differences"] : [],
    };

    /// <summary>Whether a file uses the series and comes from a release before it was changed; releases before did not write which one they
    /// are.</summary>
    private static bool ComesBeforeNewSeries(ConfigReader config) => config.Bool("use_cayley_neumann", false) &&
        !(Version.TryParse(config.StringOrNull("peft_version")?.Split('.', '@', '+') is [var major, var minor, ..] ? $"{major}.{minor}"
            : null, out var version) && version >= new Version(0, 18));

    internal override bool SupportsGraphCapture => ModuleDropout == 0 && !Constrained;

    internal override void WriteOwn(JsonObject json)
    {
        json["r"] = Rank;
        json["oft_block_size"] = BlockSize;
        json["module_dropout"] = Float(ModuleDropout);
        json["coft"] = Constrained;
        json["eps"] = Float(Epsilon);
        json["block_share"] = BlockShare;
        json["use_cayley_neumann"] = UseCayleyNeumann;
        json["num_cayley_neumann_terms"] = NeumannTerms;
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        if (Rank == 0 == (BlockSize == 0) || Rank < 0 || BlockSize < 0)
        {
            throw new BadInputException(
                $"r is {Rank} and oft_block_size {BlockSize}; give the number of blocks or their size, and set the other to 0");
        }
        return new TargetedLayers(context, this).Attach((path, layer, site) => new OftAdapter(context, this, path, layer, site));
    }
}
