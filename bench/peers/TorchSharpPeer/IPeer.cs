using static TorchSharp.torch;

namespace TorchSharpPeer;

/// <summary>A batch.</summary>
/// <param name="Inputs">(B, T): token ids; (B, 3, side, side) for pictures.</param>
/// <param name="Labels">(B): classes; (B, T') for a sequence to sequence model.</param>
/// <param name="Mask">(B, 1, 1, T), 0 or −∞, added to attention scores; null without padding.</param>
internal sealed record PeerBatch(Tensor Inputs, Tensor Labels, Tensor? Mask = null);

/// <summary>A model whose step is timed.</summary>
internal interface IPeer
{
    /// <summary>Number of tokens in the vocabulary; 0 for a model of pictures.</summary>
    int Vocabulary { get; }

    /// <summary>Number of classes; 0 for a sequence to sequence model.</summary>
    int Labels { get; }

    /// <summary>Rows and columns of a picture; 0 for a model of tokens.</summary>
    int Side => 0;

    /// <summary>The loss of a batch.</summary>
    Tensor Loss(PeerBatch batch);
}
