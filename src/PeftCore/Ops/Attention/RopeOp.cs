using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Rotary position embedding (Su et al. 2021, RoFormer, equation 34), in place: the result reuses the projection's memory. Saves
/// only the positions; backward rotates the gradient by the opposite angle, also in place.</summary>
internal static class RopeOp
{
    extension(Heads heads)
    {
        /// <summary>Rotates the heads. Their tensor must not be used afterwards; use the returned one.</summary>
        /// <param name="tables">Cosines and sines of the angles.</param>
        /// <param name="positions">I32, one a row.</param>
        internal Tensor Rope(RopeTables tables, Tensor positions)
        {
            var x = heads.Tensor;
            Check.Activation("rope", "x", x);
            Check.Int32("rope", "positions", positions);
            Check.OneDevice("rope", x, positions, tables.Cos, tables.Sin);
            Check.Heads("rope", "x", heads);
            if (positions.Count != x.Shape.Rows || 2 * tables.Cos.Shape.Columns > heads.Dim)
            {
                throw new ShapeException("rope", $"needs one position a row and a rotary dimension of at most {heads.Dim}, " +
                    $"got positions {positions.Shape} for x {x.Shape} and tables {tables.Cos.Shape}");
            }
            var y = Reusable(x);
            x.Backend.Rope(heads.On(y), tables.Cos, tables.Sin, positions, tables.Interleaved, inverse: false);
            Tape.Record(() => new Node(heads, tables, positions), [x], [y]);
            return y;
        }
    }

    /// <summary>The tensor itself if its memory may be overwritten: an activation that no op has saved for backward. Otherwise a
    /// copy.</summary>
    private static Tensor Reusable(Tensor x)
    {
        if (x.Storage.SavedBy == 0 && x.Storage.Kind == MemoryKind.Activation && x.GradFn is not { IsLeaf: true })
        {
            return x.View(x.Shape);
        }
        var copy = x.NewLike(x.Shape);
        x.Backend.Copy(x, copy);
        return copy;
    }

    /// <summary>y = R(position·frequency)·x for each pair of columns;  dx = R(−position·frequency)·dy.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Heads _heads;
        private readonly Tensor _cos;
        private readonly Tensor _sin;
        private readonly bool _interleaved;
        private readonly Tensor _positions;

        public Node(Heads heads, RopeTables tables, Tensor positions) : base("rope")
        {
            _heads = heads;
            // The model may replace the tables by longer ones before backward.
            _cos = SaveWeight(tables.Cos);
            _sin = SaveWeight(tables.Sin);
            _interleaved = tables.Interleaved;
            _positions = Save("positions", positions, "dx = R(−position·frequency)·dy");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var gradient = context.TakeGradOutput();
            gradient.Backend.Rope(_heads.On(gradient), _cos, _sin, _positions, _interleaved, inverse: true);
            context.PropagateGrad(0, gradient);
        }
    }
}

/// <summary>Cosines and sines of position·frequency, each (positions, rotary/2).</summary>
/// <param name="Cos">Cosines.</param>
/// <param name="Sin">Sines.</param>
/// <param name="Interleaved">Pairs are (2i, 2i+1) rather than (i, i + rotary/2).</param>
internal sealed record RopeTables(Tensor Cos, Tensor Sin, bool Interleaved);
