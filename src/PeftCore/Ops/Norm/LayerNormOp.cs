using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = (x − mean)/√(var + ε)·w + b (Ba et al. 2016). Saves x, mean and rstd.</summary>
public static class LayerNormOp
{
    extension(Tensor x)
    {
        /// <summary>Layer norm over the innermost axis.</summary>
        /// <param name="weight">(columns)</param>
        /// <param name="bias">(columns), or null.</param>
        /// <param name="epsilon">ε</param>
        public Tensor LayerNorm(Tensor weight, Tensor? bias, float epsilon)
        {
            Check.Activation("layer norm", "x", x);
            ArgumentNullException.ThrowIfNull(weight);
            Check.OneDevice("layer norm", x, weight, bias);
            Check.Weights("layer norm", "weight", weight, x.Shape.Columns);
            Check.Weights("layer norm", "bias", bias, x.Shape.Columns);
            var y = x.NewLike(x.Shape);
            var mean = x.NewLike([x.Shape.Rows], DType.F32);
            var rstd = x.NewLike([x.Shape.Rows], DType.F32);
            x.Backend.LayerNorm(x, weight, bias, y, mean, rstd, epsilon);
            Tape.Record(() => new Node(x, weight, bias, mean, rstd, epsilon), [x, weight, bias], [y]);
            return y;
        }
    }

    /// <summary>n = (x − mean)·rstd, y = n∘w + b;  with g = dy∘w: dx = rstd·(g − mean(g) − n∘mean(g∘n)), dw = Σ dy∘n, db = Σ dy over
    /// rows.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor _weight;
        private readonly Tensor? _mean;
        private readonly Tensor? _rstd;
        private readonly Tensor? _bias;
        private readonly float _epsilon;

        public Node(Tensor x, Tensor weight, Tensor? bias, Tensor mean, Tensor rstd, float epsilon) : base("layer_norm")
        {
            bool more = x.RequiresGrad || weight.RequiresGrad; // the gradient of the bias alone reads none of these
            string reads = Uses((x.RequiresGrad, "dx = rstd·(g − mean(g) − n∘mean(g∘n))"), (weight.RequiresGrad, "dw = Σ dy∘n"));
            _x = SaveIf(more, "x", x, reads);
            _mean = SaveIf(more, "mean", mean, reads);
            _rstd = SaveIf(more, "rstd", rstd, reads);
            _weight = SaveWeight(weight);
            _bias = bias is null ? null : SaveWeight(bias);
            _epsilon = epsilon;
        }

        protected internal override bool CanRecompute => _x is not null;

        protected override void Recompute(Tensor y) => y.Backend.LayerNorm(_x!, _weight, _bias, y, _mean!, _rstd!, _epsilon);

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var db = context.GradInput(2, out bool accumulateDb);
            if (_x is null)
            {
                dy.Backend.SumRows(dy, db!, accumulateDb);
                return;
            }
            var dx = context.GradInput(0, out bool accumulateDx);
            var dw = context.GradInput(1, out bool accumulateDw);
            dy.Backend.LayerNormGradient(_x, _weight, _mean!, _rstd!, dy, dx, accumulateDx, dw, accumulateDw, db, accumulateDb);
        }
    }
}
