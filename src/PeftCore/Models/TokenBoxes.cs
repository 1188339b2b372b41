using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The boxes of tokens on a page, as numbers that tables of positions are read by.</summary>
internal static class TokenBoxes
{
    private static readonly string[] Sides = ["left", "top", "right", "bottom", "height", "width"];

    extension(ModelInputs inputs)
    {
        /// <summary>I32 (batch, length): a side of each token's box, 0 for virtual tokens.</summary>
        /// <param name="side">0 to 3 as in <see cref="ModelInputs.Boxes"/>, 4 for the height, 5 for the width.</param>
        public Tensor BoxSides(int side) => inputs.Computed(Sides[side], [inputs.Batch, inputs.Length], () =>
        {
            int places = inputs.Places;
            int[] sides = new int[inputs.Batch * inputs.Length];
            for (int i = 0; i < inputs.Batch * places; i++)
            {
                var box = inputs.Boxes.AsSpan(4 * i, 4);
                sides[i / places * inputs.Length + inputs.VirtualPlaces + i % places] = side switch
                {
                    4 => box[3] - box[1],
                    5 => box[2] - box[0],
                    _ => box[side],
                };
            }
            return sides;
        });
    }
}
