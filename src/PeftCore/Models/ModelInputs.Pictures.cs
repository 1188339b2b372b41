using PeftCore.Tensors;

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    private static readonly string[] Sides = ["left", "top", "right", "bottom", "height", "width"];

    /// <summary>The inputs of the hidden states that belong to pictures, beside these of tokens: those of a tower of their own, or those of
    /// patches and tokens together; null without pictures.</summary>
    internal ModelInputs? Pictures { get; private init; }

    /// <summary>(batch, tokens, 4): left, top, right and bottom of each token's box; null without boxes.</summary>
    internal int[]? Boxes { get; private init; }

    /// <summary>(batch): the token that ends each text, whose hidden state stands for it; null for the last that is no padding.</summary>
    internal int[]? EndTokens { get; private init; }

    /// <summary>These inputs of tokens with those of pictures.</summary>
    internal ModelInputs WithPictures(ModelInputs pictures) => new(this) { Pictures = pictures };

    /// <summary>These inputs with the tokens that end their texts.</summary>
    /// <param name="tokens">(batch).</param>
    internal ModelInputs WithEndTokens(int[] tokens) => new(this) { EndTokens = tokens };

    /// <summary>I32 (batch, length): a side of each token's box, 0 for virtual tokens.</summary>
    /// <param name="side">0 to 3 as in <see cref="Boxes"/>, 4 for the height, 5 for the width.</param>
    internal Tensor BoxSides(int side) => Computed(Sides[side], [Batch, Length], () =>
    {
        int[] sides = new int[Batch * Length];
        for (int i = 0; i < Batch * Places; i++)
        {
            var box = Boxes.AsSpan(4 * i, 4);
            sides[i / Places * Length + VirtualPlaces + i % Places] = side switch
            {
                4 => box[3] - box[1],
                5 => box[2] - box[0],
                _ => box[side],
            };
        }
        return sides;
    });
}
