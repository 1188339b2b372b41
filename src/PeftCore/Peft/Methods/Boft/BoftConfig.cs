namespace PeftCore.Peft.Boft;

/// <summary>Hyperparameters of BOFT (Liu et al. 2023, butterfly orthogonal fine-tuning). Defaults are Hugging Face's.</summary>
public sealed record BoftConfig : TargetedConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<BoftConfig> Fields { get; } = new ConfigFields<BoftConfig>(new())
        .Targets(bias: "boft_only", exclude: true, layers: true, fanInFanOut: true)
        .Int("boft_block_size", c => c.BlockSize, (c, v) => c with { BlockSize = v },
            "b, side of the blocks; 0 if their number is given.", min: 0)
        .Int("boft_block_num", c => c.BlockCount, (c, v) => c with { BlockCount = v },
            "Number of blocks; 0 if their size is given.", min: 0)
        .Int("boft_n_butterfly_factor", c => c.ButterflyFactors, (c, v) => c with { ButterflyFactors = v },
            "m, number of butterfly factors, each a rotation with its own pairing of blocks; 1 is OFT with magnitudes.", min: 1)
        .Float("boft_dropout", c => c.Dropout, (c, v) => c with { Dropout = v },
            "Share of blocks that are the identity in a training step.", min: 0, max: 1)
        .Bool("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Start blocks as the identity; otherwise at random.");

    /// <summary>b, side of the blocks; 0 if their number is given.</summary>
    public int BlockSize { get; init; } = 4;

    /// <summary>Number of blocks; 0 if <see cref="BlockSize"/> is given.</summary>
    internal int BlockCount { get; init; }

    /// <summary>Number of butterfly factors: successive rotations, each with its own permutation. With 1, BOFT is OFT with
    /// magnitudes.</summary>
    public int ButterflyFactors { get; init; } = 1;

    /// <summary>Multiplicative dropout: the fraction of blocks that are replaced by the identity in a training step.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether the blocks start as the identity; otherwise they are random.</summary>
    internal bool InitWeights { get; init; } = true;

    internal override bool StartsAsBase => InitWeights;

    internal override bool SupportsGraphCapture => Dropout == 0;

    internal override Adapter AttachTo(AttachContext context)
    {
        if (BlockSize == 0 == (BlockCount == 0))
        {
            throw new BadInputException(
                $"boft_block_size is {BlockSize} and boft_block_num {BlockCount}; give the size of the blocks or their number, and set " +
                "the other to 0");
        }
        return new TargetedLayers(context, this).Attach((path, layer, site) => new BoftAdapter(context, this, path, layer, site));
    }
}
