using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Adds one vector per sample to all of its positions: y[b, …, c] = x[b, …, c] + v[b, c]. Saves nothing.</summary>
internal static class AddToEachOp
{
    extension(Tensor x)
    {
        /// <summary>Adds row b of a matrix to all positions of sample b.</summary>
        /// <param name="vectors">(batch, channels)</param>
        /// <returns>(batch, …, channels)</returns>
        public Tensor AddToEach(Tensor vectors)
        {
            Check.Activation("add to each", "x", x);
            Check.Activation("add to each", "the vectors", vectors);
            Check.OneDevice("add to each", x, vectors);
            if (x.Shape.Rank < 2 || vectors.Shape.Rank != 2 || vectors.Shape[0] != x.Shape[0] || vectors.Shape[1] != x.Shape.Columns)
            {
                throw new ShapeException("add to each", $"needs x (batch, …, channels) and vectors (batch, channels), got {x} and {vectors}");
            }
            var y = x.NewLike(x.Shape);
            x.Backend.Copy(x, y);
            using (new TensorScope())
            {
                for (int b = 0; b < x.Shape[0]; b++)
                {
                    x.Backend.AddRow(Sample(y, b), Row(vectors, b));
                }
            }
            var shape = vectors.Shape;
            Tape.Record(() => new Node(shape), [x, vectors], [y]);
            return y;
        }
    }

    private static Tensor Sample(Tensor tensor, int b)
    {
        int rows = tensor.Shape.Rows / tensor.Shape[0];
        return tensor.View([rows, tensor.Shape.Columns], (long)b * rows * tensor.Shape.Columns);
    }

    private static Tensor Row(Tensor vectors, int b) => vectors.View([vectors.Shape[1]], (long)b * vectors.Shape[1]);

    /// <summary>y[b, …, c] = x[b, …, c] + v[b, c];  dx = dy, dv[b, c] = Σ dy[b, …, c] over the positions.</summary>
    private sealed class Node(Shape vectors) : GradientNode("add_to_each")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            context.PropagateGrad(0, dy);
            if (context.GradInput(1, out bool accumulate) is not { } dv)
            {
                return;
            }
            using var scope = new TensorScope();
            bool direct = dv.DType == DType.F32;
            var sums = direct ? dv : dv.NewLike(vectors, DType.F32); // Sums over rows are F32.
            for (int b = 0; b < vectors[0]; b++)
            {
                dy.Backend.SumRows(Sample(dy, b), Row(sums, b), direct && accumulate);
            }
            if (direct)
            {
                return;
            }
            var narrow = dv.NewLike(vectors, dv.DType);
            dv.Backend.Cast(sums, narrow);
            if (accumulate)
            {
                dv.Backend.Add(dv, narrow, dv);
            }
            else
            {
                dv.Backend.Copy(narrow, dv);
            }
        }
    }
}
