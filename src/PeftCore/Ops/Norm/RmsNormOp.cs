using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x/√(mean(x²) + ε)·w (Zhang and Sennrich 2019). Saves x and one rstd per row.</summary>
public static class RmsNormOp
{
    extension(Tensor x)
    {
        /// <summary>RMS norm over the innermost axis.</summary>
        /// <param name="weight">(columns)</param>
        /// <param name="epsilon">ε</param>
        /// <param name="weightOffset">Added to the weight: 0, or 1 for families that store w − 1.</param>
        public Tensor RmsNorm(Tensor weight, float epsilon, float weightOffset = 0)
        {
            Check.Activation("rms norm", "x", x);
            ArgumentNullException.ThrowIfNull(weight);
            Check.OneDevice("rms norm", x, weight);
            Check.Weights("rms norm", "weight", weight, x.Shape.Columns);
            var y = x.NewLike(x.Shape);
            var rstd = x.NewLike([x.Shape.Rows], DType.F32);
            x.Backend.RmsNorm(x, weight, weightOffset, y, rstd, epsilon);
            Tape.Record(() => new Node(x, weight, weightOffset, rstd, epsilon), [x, weight], [y]);
            return y;
        }
    }

    /// <summary>n = x·rstd, y = n∘(offset + w);  with g = dy∘(offset + w): dx = rstd·(g − n∘mean(g∘n)), dw = Σ dy∘n over rows.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _x;
        private readonly Tensor _weight;
        private readonly Tensor _rstd;
        private readonly float _weightOffset;
        private readonly float _epsilon;

        public Node(Tensor x, Tensor weight, float weightOffset, Tensor rstd, float epsilon) : base("rms_norm")
        {
            string reads = Uses((x.RequiresGrad, "dx = rstd·(g − n∘mean(g∘n))"), (weight.RequiresGrad, "dw = Σ dy∘n"));
            _x = Save("x", x, reads);
            _rstd = Save("rstd", rstd, reads);
            _weight = SaveWeight(weight);
            (_weightOffset, _epsilon) = (weightOffset, epsilon);
        }

        protected internal override bool CanRecompute => true;

        protected override void Recompute(Tensor y) => _x.Backend.RmsNormRecompute(_x, _weight, _weightOffset, y, _rstd, _epsilon);

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulateDx);
            var dw = context.GradInput(1, out bool accumulateDw);
            _x.Backend.RmsNormGradient(_x, _weight, _weightOffset, _rstd, context.GradOutput(), dx, accumulateDx, dw, accumulateDw);
        }
    }
}
