using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>The gated delta rule (Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule"): linear
/// attention whose state S (dk, dv) decays, and is corrected so that the key reads the value. Saves the operands and no state: backward
/// recomputes the states.</summary>
internal static class GatedDeltaOp
{
    extension(DeltaTensors t)
    {
        /// <summary>S′ = eᵍ·S, S = S′ + k·(β·(v − S′ᵀk))ᵀ, o = Sᵀq, token by token; S is zero before position 0.</summary>
        /// <param name="keyHeads">Heads of q and k.</param>
        /// <param name="valueHeads">Heads of v, a multiple.</param>
        /// <param name="state">(batch, value heads, dk, dv), the state before the first token, replaced by that after the last; null for
        /// zeros. Only without gradients.</param>
        /// <returns>(batch, length, value heads·dv)</returns>
        public Tensor GatedDelta(int keyHeads, int valueHeads, Tensor? state = null)
        {
            var shape = ShapeOf(t, keyHeads, valueHeads);
            var o = t.V.NewLike(t.V.Shape);
            t.Q.Backend.GatedDelta(shape, t, o, state);
            if (state is null)
            {
                var operands = t;
                Tape.Record(() => new Node(operands, shape), [t.Q, t.K, t.V, t.G, t.Beta], [o]);
            }
            return o;
        }
    }

    private static DeltaShape ShapeOf(DeltaTensors t, int keyHeads, int valueHeads)
    {
        foreach (var (name, tensor) in (ReadOnlySpan<(string, Tensor)>)[("q", t.Q), ("k", t.K), ("v", t.V), ("g", t.G), ("beta", t.Beta)])
        {
            Check.Float32("gated delta", name, tensor);
        }
        Check.OneDevice("gated delta", t.Q, t.K, t.V, t.G, t.Beta, t.Positions);
        int rows = t.V.Shape.Rows;
        bool fits = t.V.Shape.Rank == 3 && keyHeads > 0 && valueHeads % keyHeads == 0 && t.Q.Shape == t.K.Shape
            && t.Q.Shape.Columns % keyHeads == 0 && t.V.Shape.Columns % valueHeads == 0 && t.Q.Shape.Rows == rows
            && t.G.Count == (long)rows * valueHeads && t.Beta.Count == t.G.Count && t.Positions.Count == rows;
        return fits ? new DeltaShape(t.V.Shape[0], t.V.Shape[1], keyHeads, valueHeads, t.Q.Shape.Columns / keyHeads,
                t.V.Shape.Columns / valueHeads)
            : throw new ShapeException("gated delta", $"{keyHeads} key heads and {valueHeads} value heads do not fit q {t.Q.Shape}, " +
                $"k {t.K.Shape}, v {t.V.Shape}, g {t.G.Shape}, beta {t.Beta.Shape}");
    }

    /// <summary>S′ = eᵍS, δ = β(v − S′ᵀk), S = S′ + kδᵀ, o = Sᵀq;  with D the gradient of S: D += q·doᵀ, dq = S·do, dδ = Dᵀk,
    /// dv = β·dδ, dβ = dδ·(v − S′ᵀk), D′ = D − k·dvᵀ, dk = D·δ − S′·dv, dg = Σ D′∘S′, and D = eᵍD′ before the token.</summary>
    private sealed class Node : GradientNode
    {
        private readonly DeltaTensors _t;
        private readonly DeltaShape _shape;

        public Node(in DeltaTensors t, DeltaShape shape) : base("gated_delta")
        {
            // One scan over the tokens computes all gradients, from the states that it computes again.
            _t = new DeltaTensors(Save("q", t.Q, "D += q·doᵀ"), Save("k", t.K, "dδ = Dᵀk"), Save("v", t.V, "dβ = dδ·(v − S′ᵀk)"),
                Save("g", t.G, "D = eᵍD′"), Save("beta", t.Beta, "dv = β·dδ"), Save("positions", t.Positions, "D = eᵍD′"));
            _shape = shape;
        }

        protected internal override void Backward(BackwardContext context)
        {
            using var scope = new TensorScope();
            var wanted = new Tensor?[5];
            var computed = new Tensor?[5];
            for (int i = 0; i < wanted.Length; i++)
            {
                wanted[i] = context.GradInput(i, out bool accumulate);
                computed[i] = accumulate ? wanted[i]!.NewLike(wanted[i]!.Shape) : wanted[i];
            }
            var dO = context.GradOutput();
            dO.Backend.GatedDeltaGradient(_shape, _t, dO, computed[0], computed[1], computed[2], computed[3], computed[4]);
            for (int i = 0; i < wanted.Length; i++)
            {
                if (wanted[i] is { } sum && !ReferenceEquals(sum, computed[i]))
                {
                    sum.Backend.Add(sum, computed[i]!, sum);
                }
            }
        }
    }
}
