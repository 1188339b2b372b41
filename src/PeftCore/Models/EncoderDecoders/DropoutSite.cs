using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Models;

/// <summary>One site of an encoder-decoder's own dropout.</summary>
/// <param name="Probability">Probability that an element is dropped.</param>
/// <param name="Block">Number of the block among those of both stacks; −1 outside the blocks.</param>
/// <param name="Site">Number of the site in the block, below 4.</param>
internal readonly record struct DropoutSite(float Probability, int Block, int Site)
{
    /// <summary>The key of the current step's mask.</summary>
    public DropoutKey Now(RunMode mode) => LayerDropout.OfBase(mode, Probability, Block, Site).Now;
}

/// <summary>The sites of an encoder-decoder's dropout. A decoder's block has six of them, so it takes two numbers of blocks.</summary>
/// <param name="encoderBlocks">Blocks of the encoder.</param>
internal sealed class DropoutSites(int encoderBlocks)
{
    /// <summary>A site outside the blocks.</summary>
    public static DropoutSite OfModel(float p, ModelSite site) => new(p, -1, (int)site);

    /// <summary>A site of an encoder's block.</summary>
    public static DropoutSite OfEncoder(float p, int block, BlockSite site) =>
        new(p, block, site >= BlockSite.Inner ? (int)site - 2 : (int)site);

    /// <summary>A site of a decoder's block.</summary>
    public DropoutSite OfDecoder(float p, int block, BlockSite site) =>
        new(p, encoderBlocks + 2 * block + (int)site / 4, (int)site % 4);
}

/// <summary>Where dropout acts outside the blocks.</summary>
internal enum ModelSite
{
    SourceEmbedding,
    TargetEmbedding,
    EncoderOutput,
    DecoderOutput,
}

/// <summary>Where dropout acts in a block.</summary>
internal enum BlockSite
{
    /// <summary>The probabilities of self-attention.</summary>
    Probabilities,

    /// <summary>The output of self-attention.</summary>
    Attention,

    /// <summary>The probabilities of cross-attention.</summary>
    CrossProbabilities,

    /// <summary>The output of cross-attention.</summary>
    CrossAttention,

    /// <summary>The hidden layer of the feed-forward network.</summary>
    Inner,

    /// <summary>The output of the feed-forward network.</summary>
    FeedForward,
}
