using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y[…, j, i] = x[…, i, j];  dx[…, i, j] = dy[…, j, i]. Saves nothing. Products need no transposed copy:
/// <see cref="MatMulOp"/> reads either layout.</summary>
public static class TransposeOp
{
    extension(Tensor x)
    {
        /// <summary>Exchanges the last two axes: (…, m, n) to (…, n, m), a copy.</summary>
        public Tensor Transpose()
        {
            Check.Activation("transpose", "x", x);
            if (x.Shape.Rank < 2)
            {
                throw new ShapeException("transpose", $"needs at least two axes, got {x}");
            }
            using var scope = new TensorScope();
            if (x.DType != DType.F32)
            {
                return scope.Return(x.Cast(DType.F32).Transpose().Cast(x.DType));
            }
            var y = scope.Return(x.NewLike(Exchanged(x.Shape)));
            Copy(x, y, accumulate: false);
            Tape.Record(() => new Node(), [x], [y]);
            return y;
        }
    }

    private static Shape Exchanged(Shape shape)
    {
        Span<int> extents = stackalloc int[shape.Rank];
        shape.CopyTo(extents);
        (extents[^1], extents[^2]) = (extents[^2], extents[^1]);
        return Shape.Of(extents);
    }

    /// <summary>y (+)= x with its last two axes exchanged: products with 1 at other strides, one launch for each index of the shortest
    /// axis.</summary>
    private static void Copy(Tensor x, Tensor y, bool accumulate)
    {
        if (x.Count == 0)
        {
            return;
        }
        Check.CountsInInt("transpose", x);
        int m = x.Shape[^2], n = x.Shape[^1];
        Span<Axis> axes = [new((int)(x.Count / m / n), m * n, m * n), new(m, n, 1), new(n, 1, m)];
        axes.Sort((a, b) => a.Extent.CompareTo(b.Extent));
        var (loop, outer, inner) = (axes[0], axes[1], axes[2]);
        using var scope = new TensorScope();
        var one = Constants.One(x.Backend);
        for (int i = 0; i < loop.Extent; i++)
        {
            x.Backend.MatMulBatched(new BatchedProduct(outer.Extent, inner.Extent, 1, 1,
                new(outer.InX, inner.InX, 0, i * loop.InX), new(0, 0, 0), new(outer.InY, inner.InY, 0, i * loop.InY),
                Accumulate: accumulate), x, one, y);
        }
    }

    /// <summary>One axis of a copy.</summary>
    /// <param name="Extent">How many indices.</param>
    /// <param name="InX">Elements of x from one index to the next.</param>
    /// <param name="InY">Elements of y from one index to the next.</param>
    private readonly record struct Axis(int Extent, int InX, int InY);

    /// <summary>y[…, j, i] = x[…, i, j];  dx[…, i, j] = dy[…, j, i].</summary>
    private sealed class Node() : GradientNode("transpose")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            Copy(context.GradOutput(), dx, accumulate);
        }
    }
}
