using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·Sᵀ with a sparse S (out, in). Saves x only for the gradient of the entries, and never forms S or its dense
/// gradient.</summary>
internal static class SparseLinearOp
{
    extension(Tensor x)
    {
        /// <summary>y = x·Sᵀ over the innermost axis.</summary>
        /// <param name="values">(n): the entries of S, in the order of the pattern.</param>
        /// <param name="pattern">Rows and columns of the entries.</param>
        internal Tensor SparseLinear(Tensor values, SparsePattern pattern)
        {
            Check.Activation("sparse linear", "x", x);
            Check.Float32("sparse linear", "values", values);
            Check.Vector("sparse linear", "values", values, (int)pattern.Rows.Count);
            if (x.Shape.Columns != pattern.Inputs)
            {
                throw new ShapeException("sparse linear", $"x has {x.Shape.Columns} columns, the map takes {pattern.Inputs}");
            }
            var y = x.NewLike(x.Shape.WithColumns(pattern.Outputs));
            x.Backend.SparseProduct(x, values, pattern.Forward.Offsets, pattern.Forward.Indices, pattern.Forward.Order, y, false);
            Tape.Record(() => new Node(x, values, pattern), [x, values], [y]);
            return y;
        }
    }

    /// <summary>y = x·Sᵀ;  dx = dy·S, dS[e] = Σ_t dy[t, row of e]·x[t, column of e] for each entry e.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor? _values;
        private readonly SparseIndex? _backward;
        private readonly Tensor? _rows;
        private readonly Tensor? _columns;

        public Node(Tensor x, Tensor values, SparsePattern pattern) : base("sparse_linear")
        {
            _x = SaveIf(values.RequiresGrad, "x", x, "dS[e] = Σ_t dy[t, row of e]·x[t, column of e]");
            _values = x.RequiresGrad ? SaveWeight(values) : null;
            _backward = x.RequiresGrad ? new(SaveWeight(pattern.Backward.Offsets), SaveWeight(pattern.Backward.Indices),
                SaveWeight(pattern.Backward.Order)) : null;
            (_rows, _columns) = values.RequiresGrad ? (SaveWeight(pattern.Rows), SaveWeight(pattern.Columns)) : (null, null);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dy.Backend.SparseProduct(dy, _values!, _backward!.Offsets, _backward.Indices, _backward.Order, dx, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dValues)
            {
                dy.Backend.SparseGradient(dy, _x!, _rows!, _columns!, dValues, accumulate);
            }
        }
    }
}

/// <summary>Rows and columns of the entries of a sparse (out, in) matrix, sorted for both directions (CSR and CSC). All tensors are I32;
/// the owner disposes them.</summary>
/// <param name="Outputs">Rows.</param>
/// <param name="Inputs">Columns.</param>
/// <param name="Rows">(n) the row of each entry.</param>
/// <param name="Columns">(n) the column of each entry.</param>
/// <param name="Forward">The entries by rows.</param>
/// <param name="Backward">The entries by columns.</param>
internal sealed record SparsePattern(int Outputs, int Inputs, Tensor Rows, Tensor Columns, SparseIndex Forward, SparseIndex Backward);

/// <summary>Entries sorted by one axis.</summary>
/// <param name="Offsets">The first entry of each index of the axis.</param>
/// <param name="Indices">The index on the other axis.</param>
/// <param name="Order">The index of each entry's value.</param>
internal sealed record SparseIndex(Tensor Offsets, Tensor Indices, Tensor Order)
{
    /// <summary>Sorts entries.</summary>
    /// <param name="axis">Each entry's index on the axis to sort by.</param>
    /// <param name="other">Each entry's index on the other.</param>
    /// <param name="extent">Length of the axis.</param>
    /// <returns>Offsets, indices and order.</returns>
    public static (int[] Offsets, int[] Indices, int[] Order) Sort(int[] axis, int[] other, int extent)
    {
        int[] order = [.. Enumerable.Range(0, axis.Length).OrderBy(e => axis[e]).ThenBy(e => other[e])];
        int[] offsets = new int[extent + 1];
        foreach (int index in axis)
        {
            offsets[index + 1]++;
        }
        for (int i = 0; i < extent; i++)
        {
            offsets[i + 1] += offsets[i];
        }
        return (offsets, Array.ConvertAll(order, e => other[e]), order);
    }
}
