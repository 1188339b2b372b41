using PeftCore.Io;

namespace PeftCore.Peft.Oft;

/// <summary>Hyperparameters of OFT (Qiu et al. 2023, 2025). Defaults are Hugging Face's.</summary>
public sealed record OftConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<OftConfig> Fields { get; } = new ConfigFields<OftConfig>(new())
        .Targets(bias: "oft_only", exclude: true, layers: true, fanInFanOut: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v, BlockSize = v > 0 ? 0 : c.BlockSize },
            "r, number of blocks; 0 if their size is given.", min: 0)
        .Int("oft_block_size", c => c.BlockSize, (c, v) => c with { BlockSize = v },
            "b, side of the blocks; 0 (also the default beside r) if their number is given. A size that does not divide the inputs is " +
            "replaced by the nearest divisor.", min: 0)
        .Float("module_dropout", c => c.ModuleDropout, (c, v) => c with { ModuleDropout = v },
            "Share of blocks that are the identity in a training step.", min: 0, max: 1)
        .Bool("coft", c => c.Constrained, (c, v) => c with { Constrained = v }, "Keep blocks within eps of the identity (constrained OFT).")
        .Float("eps", c => c.Epsilon, (c, v) => c with { Epsilon = v }, "ε, the bound of coft.")
        .Bool("block_share", c => c.BlockShare, (c, v) => c with { BlockShare = v }, "One block for all.")
        .Bool("use_cayley_neumann", c => c.UseCayleyNeumann, (c, v) => c with { UseCayleyNeumann = v },
            "Approximate the inverse of the Cayley transform by a Neumann series.")
        .Int("num_cayley_neumann_terms", c => c.NeumannTerms, (c, v) => c with { NeumannTerms = v }, "Terms of the series.", min: 1)
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start blocks as the identity; otherwise at random.")
        .Then((c, reader) => !ComesBeforeNewSeries(reader) ? c : c with
        {
            Notes =
            [
                "use_cayley_neumann is true, and the file is older than Hugging Face PEFT 0.18, which computes the series differently " +
                "since; train the adapter again, or expect small differences",
            ],
        });

    /// <summary>r, how many blocks; 0 if their size is given.</summary>
    public int Rank { get; init; }

    /// <summary>b, side of the square blocks; 0 if <see cref="Rank"/> is given. A size that does not divide the inputs is replaced by the
    /// nearest divisor.</summary>
    public int BlockSize { get; init; } = 32;

    /// <summary>Multiplicative dropout: the fraction of blocks that are replaced by the identity in a training step.</summary>
    internal double ModuleDropout { get; init; }

    /// <summary>Whether blocks are kept within <see cref="Epsilon"/> of the identity (constrained OFT).</summary>
    internal bool Constrained { get; init; }

    /// <summary>ε, the bound of <see cref="Constrained"/>.</summary>
    internal double Epsilon { get; init; } = 6e-5;

    /// <summary>Whether all blocks of a layer share one parameter.</summary>
    internal bool BlockShare { get; init; }

    /// <summary>Whether a Neumann series replaces the inverse of the Cayley transform.</summary>
    internal bool UseCayleyNeumann { get; init; } = true;

    /// <summary>Number of terms of the series.</summary>
    internal int NeumannTerms { get; init; } = 5;

    /// <summary>Whether the blocks start as the identity; otherwise they are random.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    /// <summary>Whether the file uses the Neumann series of a release before its last term was changed. Those releases did not write their
    /// version.</summary>
    private static bool ComesBeforeNewSeries(ConfigReader config) => config.Bool("use_cayley_neumann", false) &&
        !(Version.TryParse(config.StringOrNull("peft_version")?.Split('.', '@', '+') is [var major, var minor, ..] ? $"{major}.{minor}"
            : null, out var version) && version >= new Version(0, 18));

    internal override bool SupportsGraphCapture => ModuleDropout == 0 && !Constrained;

    internal override Adapter AttachTo(AttachContext context)
    {
        if (Rank == 0 == (BlockSize == 0))
        {
            throw new BadInputException(
                $"r is {Rank} and oft_block_size {BlockSize}; give the number of blocks or their size, and set the other to 0");
        }
        return TargetedLayers.WithConvolutions(context, this)
            .AttachMatrices((path, layer, site) => new OftAdapter(context, this, path, layer, site));
    }
}
