using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Skew-symmetric matrices from their upper triangles: Q[i, j] = v[e(i, j)] for i below j, Q[j, i] = −Q[i, j].</summary>
internal static class SkewSymmetricOp
{
    extension(Tensor v)
    {
        /// <summary>(n, b·(b − 1)/2), rows of the triangle one after the other, to (n, b, b).</summary>
        internal Tensor SkewSymmetric(int side)
        {
            Check.Float32("skew-symmetric", "v", v);
            if (v.Shape.Rank != 2 || v.Shape.Columns != side * (side - 1) / 2)
            {
                throw new ShapeException("skew-symmetric", $"{v.Shape} does not hold the upper triangles of ({side}, {side}) matrices");
            }
            var q = v.NewLike([v.Shape[0], side, side]);
            using (new TensorScope())
            {
                var upper = v.NewLike([v.Shape[0], side * side]);
                v.Backend.Zero(upper);
                foreach (var (at, column, length) in Rows(side))
                {
                    v.Backend.CopyColumns(v, at, upper, column, length, false);
                }
                MinusTransposed(upper, q, side);
            }
            Tape.Record(() => new Node(side), [v], [q]);
            return q;
        }
    }

    /// <summary>For each row of a triangle: its offset in v, its first column in the matrix, and its length.</summary>
    private static IEnumerable<(int At, int Column, int Length)> Rows(int side)
    {
        for (int i = 0, at = 0; i + 1 < side; at += side - 1 - i, i++)
        {
            yield return (at, i * side + i + 1, side - 1 - i);
        }
    }

    /// <summary>q = u − uᵀ, matrix by matrix.</summary>
    private static void MinusTransposed(Tensor u, Tensor q, int side)
    {
        u.Backend.Copy(u, q);
        var plain = new MatrixStrides(side * side, side, 1);
        int n = side == 0 ? 0 : (int)(u.Count / ((long)side * side));
        u.Backend.MatMulBatched(new BatchedProduct(n, side, side, side, plain.Transposed, new(0, side, 1), plain, -1, true), u,
            Constants.Identity(u.Backend, side), q);
    }

    /// <summary>Q[i, j] = v[e(i, j)] = −Q[j, i] for i below j;  dv[e(i, j)] = dQ[i, j] − dQ[j, i].</summary>
    private sealed class Node(int side) : GradientNode("skew_symmetric")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dq = context.GradOutput();
            using var scope = new TensorScope();
            var du = dq.NewLike([dq.Shape[0], side * side]);
            MinusTransposed(dq, du, side);
            var dv = context.GradInput(0, out bool accumulate)!;
            foreach (var (at, column, length) in Rows(side))
            {
                dq.Backend.CopyColumns(du, column, dv, at, length, accumulate);
            }
        }
    }
}
