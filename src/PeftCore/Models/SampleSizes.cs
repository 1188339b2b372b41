using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What one sample of a model holds.</summary>
/// <param name="Tokens">Token ids; 0 for none.</param>
/// <param name="Pixels">(channels, height, width); null for no picture.</param>
/// <param name="Sound">(bins, frames) or (samples); null for no recording.</param>
/// <param name="LargestCoordinate">The largest coordinate of the box of each token; null for no boxes.</param>
internal sealed record SampleSizes(int Tokens, Shape? Pixels = null, Shape? Sound = null, int? LargestCoordinate = null)
{
    /// <summary>Whether each token has a box.</summary>
    public bool HasBoxes => LargestCoordinate is not null;

    /// <summary>Whether pictures may have another size than <see cref="Pixels"/>.</summary>
    public bool InterpolatesPixels { get; init; }

    /// <summary>(tokens, columns) of the hidden states of a text that the model attends to; null for none.</summary>
    public Shape? EncoderStates { get; init; }

    /// <summary>The class of the picture that the model reads; null for none.</summary>
    public ClassInput? Classes { get; init; }

    /// <summary>Labels of a target; null for as many as the caller asks for.</summary>
    public int? Targets { get; init; }

    /// <summary>Symbols that targets consist of; null for the vocabulary.</summary>
    public int? Symbols { get; init; }
}
