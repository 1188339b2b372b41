using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = (x − mean)/√(var + ε)·w + b with one mean and variance per picture and group of channels (Wu and He 2018). Saves x, mean
/// and rstd.</summary>
internal static class GroupNormOp
{
    extension(Tensor x)
    {
        /// <summary>Group norm of channels-last pictures or sequences.</summary>
        /// <param name="groups">Groups of channels.</param>
        /// <param name="weight">(channels)</param>
        /// <param name="bias">(channels)</param>
        /// <param name="epsilon">ε</param>
        public Tensor GroupNorm(int groups, Tensor weight, Tensor bias, float epsilon)
        {
            Check.Activation("group norm", "x", x);
            Check.OneDevice("group norm", x, weight, bias);
            if (x.Shape.Rank < 2 || groups < 1 || x.Shape.Columns % groups != 0)
            {
                throw new ShapeException("group norm", $"needs x (batch, …, channels) with channels in {groups} groups, got {x}");
            }
            Check.Weights("group norm", "weight", weight, x.Shape.Columns);
            Check.Weights("group norm", "bias", bias, x.Shape.Columns);
            int batch = x.Shape[0];
            var shape = new GroupShape(batch, batch == 0 ? 0 : x.Shape.Rows / batch, x.Shape.Columns, groups);
            var y = x.NewLike(x.Shape);
            var mean = x.NewLike([batch, groups], DType.F32);
            var rstd = x.NewLike([batch, groups], DType.F32);
            x.Backend.GroupNorm(shape, x, weight, bias, y, mean, rstd, epsilon);
            Tape.Record(() => new Node(shape, x, weight, bias, mean, rstd, epsilon), [x, weight, bias], [y]);
            return y;
        }
    }

    /// <summary>n = (x − mean)·rstd, y = n∘w + b;  with g = dy∘w and means over a group: dx = rstd·(g − mean(g) − n∘mean(g∘n)),
    /// dw = Σ dy∘n, db = Σ dy over pictures and positions.</summary>
    private sealed class Node : GradientNode
    {
        private readonly GroupShape _shape;
        private readonly Tensor? _x;
        private readonly Tensor _weight;
        private readonly Tensor _bias;
        private readonly Tensor? _mean;
        private readonly Tensor? _rstd;
        private readonly float _epsilon;

        public Node(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor rstd, float epsilon) : base("group_norm")
        {
            bool more = x.RequiresGrad || weight.RequiresGrad; // the gradient of the bias alone reads none of these
            _shape = shape;
            string reads = Uses((x.RequiresGrad, "dx = rstd·(g − mean(g) − n∘mean(g∘n))"), (weight.RequiresGrad, "dw = Σ dy∘n"));
            _x = SaveIf(more, "x", x, reads);
            _mean = SaveIf(more, "mean", mean, reads);
            _rstd = SaveIf(more, "rstd", rstd, reads);
            (_weight, _bias) = (SaveWeight(weight), SaveWeight(bias));
            _epsilon = epsilon;
        }

        protected internal override bool CanRecompute => _x is not null;

        protected override void Recompute(Tensor y) => y.Backend.GroupNorm(_shape, _x!, _weight, _bias, y, _mean!, _rstd!, _epsilon);

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
            dy.Backend.GroupNormGradient(_shape, _x, _weight, _mean!, _rstd!, dy, dx, accumulateDx, dw, accumulateDw, db, accumulateDb);
        }
    }
}
