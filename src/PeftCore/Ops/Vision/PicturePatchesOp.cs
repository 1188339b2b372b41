using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Pictures as rows of patches that do not overlap: y[b, i·across + j, (c, u, v)] = x[b, c, i·p + u, j·p + v] with patches of
/// p × p pixels. A convolution whose stride is its size is then a linear layer. Rows and columns of pixels that do not fill a patch are
/// left out. Saves nothing.</summary>
internal static class PicturePatchesOp
{
    extension(Tensor x)
    {
        /// <summary>Copies F32 pixels to patches.</summary>
        /// <param name="size">Rows and columns of a patch, p.</param>
        /// <returns>(batch, ⌊height/p⌋·⌊width/p⌋, channels·p·p) from x (batch, channels, height, width)</returns>
        public Tensor PicturePatches(int size)
        {
            Check.Float32("picture patches", "x", x);
            if (x.Shape.Rank != 4 || size < 1)
            {
                throw new ShapeException("picture patches", $"needs pictures (batch, channels, height, width) and a size of at least 1, got {x.Shape} " +
                    $"and {size}");
            }
            Check.CountsInInt("picture patches", x);
            int count = x.Shape[2] / size * (x.Shape[3] / size);
            var y = x.NewLike([x.Shape[0], count, x.Shape[1] * size * size], DType.F32);
            x.Backend.Patches(x, size, y);
            Tape.Record(() => new Node(size), [x], [y]);
            return y;
        }
    }

    /// <summary>y[b, i·across + j, (c, u, v)] = x[b, c, i·p + u, j·p + v];  dx = dy at the same places, 0 where no patch is.</summary>
    private sealed class Node(int size) : GradientNode("picture patches")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.PatchesGradient(context.GradOutput(), size, dx, accumulate);
        }
    }
}
