using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>h = f(gate)·up (Shazeer 2020, "GLU Variants Improve Transformer"): SwiGLU with SiLU, GeGLU with GELU. Saves gate, and up only
/// for gate's gradient; backward reuses their memory for their gradients.</summary>
internal static class GatedOp
{
    extension(Tensor gate)
    {
        /// <summary>f(gate)·<paramref name="up"/>.</summary>
        public Tensor Gate<TFormula>(Tensor up) where TFormula : struct, IUnaryFormula
        {
            Check.SameShape("gate", gate, up);
            var h = gate.NewLike(gate.Shape);
            gate.Backend.Gated<TFormula>(gate, up, h);
            Tape.Record(() => new Node<TFormula>(gate, up), [gate, up], [h]);
            return h;
        }
    }

    /// <summary>h = f(gate)∘up;  dgate = dh∘up∘f′(gate), dup = dh∘f(gate).</summary>
    private sealed class Node<TFormula> : GradientNode where TFormula : struct, IUnaryFormula
    {
        private readonly Tensor _gate;
        private readonly Tensor? _up;

        public Node(Tensor gate, Tensor up) : base("gated_" + typeof(TFormula).Name)
        {
            _gate = Save("gate", gate,
                Uses((gate.RequiresGrad, "dgate = dh∘up∘f′(gate)"), (up.RequiresGrad, "dup = dh∘f(gate)")));
            _up = SaveIf(gate.RequiresGrad, "up", up, "dgate = dh∘up∘f′(gate)");
        }

        protected internal override bool CanRecompute => _up is not null;

        protected override void Recompute(Tensor y) => y.Backend.Gated<TFormula>(_gate, _up!, y);

        protected internal override void Backward(BackwardContext context)
        {
            var dh = context.GradOutput();
            var gate = context.GradInputReusing(_gate, 0, out bool addGate);
            var up = context.GradInputReusing(_up, 1, out bool addUp);
            var dGate = gate is null || addGate ? dh.NewLike(dh.Shape) : gate;
            var dUp = up is null || addUp ? dh.NewLike(dh.Shape) : up;
            // Without up gate requires no gradient, so any buffer serves as its operand.
            dh.Backend.GatedGradient<TFormula>(_gate, _up ?? _gate, dh, dGate, dUp);
            if (addGate)
            {
                dh.Backend.Add(gate!, dGate, gate!);
            }
            if (addUp)
            {
                dh.Backend.Add(up!, dUp, up!);
            }
        }
    }
}
