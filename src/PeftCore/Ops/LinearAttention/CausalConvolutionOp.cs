using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Causal depthwise convolution over time. A token's sum ends at the start of its sequence, which its position tells.</summary>
internal static class CausalConvolutionOp
{
    extension(Tensor x)
    {
        /// <summary>y[b, t, c] = Σ_d taps[K − 1 − d, c]·x[b, t − d, c].</summary>
        /// <param name="taps">F32 (K, columns): the last row is that of the token itself.</param>
        /// <param name="positions">I32 (batch, length)</param>
        /// <returns>(batch, length, columns)</returns>
        public Tensor CausalConvolution(Tensor taps, Tensor positions)
        {
            Check.Activation("causal convolution", "x", x);
            Check.Float32("causal convolution", "taps", taps);
            Check.Int32("causal convolution", "positions", positions);
            Check.OneDevice("causal convolution", x, taps, positions);
            if (x.Shape.Rank != 3 || taps.Shape.Rank != 2 || taps.Shape.Columns != x.Shape.Columns || positions.Count != x.Shape.Rows)
            {
                throw new ShapeException("causal convolution",
                    "needs x (batch, length, columns), taps (taps, columns) and positions, " +
                    $"got {x.Shape}, {taps.Shape}, {positions.Shape}");
            }
            var y = x.NewLike(x.Shape);
            x.Backend.CausalConvolution(x, taps, positions, y);
            Tape.Record(() => new Node(x, taps, positions), [x, taps], [y]);
            return y;
        }
    }

    /// <summary>y[t, c] = Σ_d w[K − 1 − d, c]·x[t − d, c];  dx[t, c] = Σ_d w[K − 1 − d, c]·dy[t + d, c],
    /// dw[K − 1 − d, c] = Σ_t dy[t, c]·x[t − d, c].</summary>
    private sealed class Node : GradientNode
    {
        private const string Dx = "dx[t, c] = Σ_d w[K − 1 − d, c]·dy[t + d, c]", Dw = "dw[K − 1 − d, c] = Σ_t dy[t, c]·x[t − d, c]";

        private readonly Tensor? _x;
        private readonly Tensor? _taps;
        private readonly Tensor _positions;

        public Node(Tensor x, Tensor taps, Tensor positions) : base("causal_convolution")
        {
            _x = SaveIf(taps.RequiresGrad, "x", x, Dw);
            _taps = SaveIf(x.RequiresGrad, "taps", taps, Dx);
            _positions = Save("positions", positions, Uses((x.RequiresGrad, Dx), (taps.RequiresGrad, Dw)));
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dx.Backend.CausalConvolutionGradient(dy, _taps!, _positions, dx, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dTaps)
            {
                using var scope = new TensorScope();
                var own = accumulate ? dTaps.NewLike(dTaps.Shape) : dTaps;
                dTaps.Backend.CausalConvolutionTaps(dy, _x!, _positions, own);
                if (accumulate)
                {
                    dTaps.Backend.Add(dTaps, own, dTaps);
                }
            }
        }
    }
}
