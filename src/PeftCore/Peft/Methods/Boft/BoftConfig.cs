using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Boft;

/// <summary>Hyperparameters of BOFT (Liu et al. 2023, butterfly orthogonal fine-tuning). Defaults are Hugging Face's.</summary>
public sealed record BoftConfig : TargetedConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public BoftConfig()
    {
    }

    private BoftConfig(ConfigReader config) : base(config)
    {
    }

    /// <inheritdoc/>
    public override string PeftType => "BOFT";

    /// <summary>b, side of the blocks; 0 if their number is given.</summary>
    public int BlockSize { get; init; } = 4;

    /// <summary>How many blocks; 0 if their size is given.</summary>
    public int BlockCount { get; init; }

    /// <summary>How many rotations follow each other, each with its own way of pairing blocks; with 1 it is OFT with magnitudes.</summary>
    public int ButterflyFactors { get; init; } = 1;

    /// <summary>Share of blocks that are the identity in a training step.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether blocks start as the identity.</summary>
    public bool InitWeights { get; init; } = true;

    internal override TargetFields Fields => TargetFields.Exclude | TargetFields.Layers | TargetFields.FanInFanOut;

    internal override string BiasOfTargets => "boft_only";

    internal override bool StartsAsBase => InitWeights;

    internal static BoftConfig Read(ConfigReader config) => new(config)
    {
        BlockSize = config.Int("boft_block_size", 4, min: 0),
        BlockCount = config.Int("boft_block_num", 0, min: 0),
        ButterflyFactors = config.Int("boft_n_butterfly_factor", 1, min: 1),
        Dropout = config.Float("boft_dropout", 0, min: 0, max: 1),
        InitWeights = config.Bool("init_weights", true),
    };

    internal override bool SupportsGraphCapture => Dropout == 0;

    internal override void WriteOwn(JsonObject json)
    {
        json["boft_block_size"] = BlockSize;
        json["boft_block_num"] = BlockCount;
        json["boft_n_butterfly_factor"] = ButterflyFactors;
        json["boft_dropout"] = Float(Dropout);
        json["init_weights"] = InitWeights;
    }

    internal override Adapter Attach(AttachContext context)
    {
        if (BlockSize == 0 == (BlockCount == 0) || BlockSize < 0 || BlockCount < 0)
        {
            throw new BadInputException(
                $"boft_block_size is {BlockSize} and boft_block_num {BlockCount}; give the size of the blocks or their number, and set " +
                "the other to 0");
        }
        return new TargetedLayers(context, this).Attach((path, layer, site) => new BoftAdapter(context, this, path, layer, site));
    }
}
