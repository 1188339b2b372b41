using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Rows of tokens to rows of experts, and the sum of a token's rows: dispatch and combine of Lepikhin et al. 2020, "GShard". Each
/// is the other's gradient.</summary>
internal static class DispatchOp
{
    extension(Tensor x)
    {
        /// <summary>y[p, :] = x[token of p, :], sorted by expert.</summary>
        /// <param name="routing">The experts of each row of x.</param>
        /// <returns>(pairs, columns)</returns>
        public Tensor Dispatch(ExpertRouting routing)
        {
            CheckRows("dispatch", x, routing.Tokens);
            var y = x.NewLike([routing.Pairs, x.Shape.Columns]);
            x.Backend.DispatchRows(x, routing.Order, y, false);
            Tape.Record(() => new DispatchNode(routing), [x], [y]);
            return y;
        }

        /// <summary>y[n, :] = Σ x[p, :] over the rows p of token n.</summary>
        /// <param name="routing">The experts of each token.</param>
        /// <returns>(tokens, columns)</returns>
        public Tensor Combine(ExpertRouting routing)
        {
            CheckRows("combine", x, routing.Pairs);
            var y = x.NewLike([routing.Tokens, x.Shape.Columns]);
            x.Backend.CombineRows(x, routing.Position, y, false);
            Tape.Record(() => new CombineNode(routing), [x], [y]);
            return y;
        }
    }

    private static void CheckRows(string op, Tensor x, int rows)
    {
        Check.Activation(op, "x", x);
        if (x.Shape.Rows != rows)
        {
            throw new ShapeException(op, $"the routing is of {rows} rows, x is {x.Shape}");
        }
    }

    /// <summary>y[p] = x[token(p)];  dx[n] = Σ dy[p] over the rows p of n.</summary>
    private sealed class DispatchNode : GradientNode
    {
        private readonly Tensor _position;

        public DispatchNode(ExpertRouting routing) : base("dispatch") => _position = Save("position", routing.Position, "dx[n] = Σ dy[p]");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.CombineRows(context.GradOutput(), _position, dx.View([dx.Shape.Rows, dx.Shape.Columns]), accumulate);
        }
    }

    /// <summary>y[n] = Σ x[p] over the rows p of n;  dx[p] = dy[token(p)].</summary>
    private sealed class CombineNode : GradientNode
    {
        private readonly Tensor _order;

        public CombineNode(ExpertRouting routing) : base("combine") => _order = Save("order", routing.Order, "dx[p] = dy[token(p)]");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.DispatchRows(context.GradOutput(), _order, dx, accumulate);
        }
    }
}
