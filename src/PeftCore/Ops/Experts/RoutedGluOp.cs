using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>The gated unit of experts, times the weight of the routing. The weight multiplies here, before the down projection, and not
/// after it: the map is the same, and its gradient needs no output of the experts.</summary>
internal static class RoutedGluOp
{
    extension(Tensor x)
    {
        /// <summary>h[p, :] = w·f(gate, up), gate and up in one row of x, w the routing weight of the row's pair.</summary>
        /// <param name="weights">F32 (tokens, k)</param>
        /// <param name="routing">The pair of each row.</param>
        /// <returns>(pairs, columns/2)</returns>
        public Tensor RoutedGlu<TGlu>(Tensor weights, ExpertRouting routing) where TGlu : struct, IGluFormula
        {
            Check.Activation("routed glu", "x", x);
            Check.Float32("routed glu", "weights", weights);
            Check.OneDevice("routed glu", x, weights, routing.Order);
            if (x.Shape.Rows != routing.Pairs || weights.Count != routing.Pairs || x.Shape.Columns % 2 != 0)
            {
                throw new ShapeException("routed glu",
                    $"needs {routing.Pairs} rows of gates and ups and as many weights, got {x.Shape} and " +
                    $"{weights.Shape}");
            }
            var h = x.NewLike(x.Shape.WithColumns(x.Shape.Columns / 2));
            x.Backend.RoutedGlu<TGlu>(x, weights, routing.Order, h);
            Tape.Record(() => new Node<TGlu>(x, weights, routing), [x, weights], [h]);
            return h;
        }
    }

    /// <summary>h[p, i] = w·f(gate, up), w of the pair of p;  dgate = w·dh∘∂f/∂gate, dup = w·dh∘∂f/∂up, dw = Σ_i dh[p, i]·f.</summary>
    private sealed class Node<TGlu> : GradientNode where TGlu : struct, IGluFormula
    {
        private readonly Tensor _x;
        private readonly Tensor? _weights;
        private readonly Tensor _order;

        public Node(Tensor x, Tensor weights, ExpertRouting routing) : base("routed_glu")
        {
            string dx = "dgate = w·dh∘∂f/∂gate", dw = "dw = Σ_i dh[p, i]·f";
            _x = Save("x", x, Uses((x.RequiresGrad, dx), (weights.RequiresGrad, dw)));
            _weights = SaveIf(x.RequiresGrad, "weights", weights, dx);
            _order = Save("order", routing.Order, Uses((x.RequiresGrad, dx), (weights.RequiresGrad, dw)));
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dh = context.GradOutput();
            var dWeights = context.GradInput(1, out bool addWeights);
            var dx = context.GradInputReusing(_x, 0, out bool add);
            using var scope = new TensorScope();
            var own = dx is null || !add ? dx : dh.NewLike(_x.Shape);
            // Without weights x requires no gradient, so any buffer serves as that operand.
            dh.Backend.RoutedGluGradient<TGlu>(_x, _weights ?? dWeights!, _order, dh, own, dWeights, addWeights);
            if (add)
            {
                dh.Backend.Add(dx!, own!, dx!);
            }
        }
    }
}
