using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·Δᵀ where Δ holds W·D + D for each r × r block W of a frozen weight, with one D for each row of blocks (Kang and Yin 2024,
/// Bat). One row of blocks is computed at a time, in forward and again in backward; only x is saved.</summary>
internal static class BlockAffineLinearOp
{
    extension(Tensor x)
    {
        /// <summary>y = x·Δᵀ over the innermost axis.</summary>
        /// <param name="weight">(out, in), F32, BF16 or F16; frozen.</param>
        /// <param name="blocks">D (out/r, r, r)</param>
        /// <param name="pieces">(r, in): identity matrices, concatenated.</param>
        internal Tensor BlockAffineLinear(Tensor weight, Tensor blocks, Tensor pieces)
        {
            Check.Activation("block affine linear", "x", x);
            Check.OneDevice("block affine linear", x, weight, blocks, pieces);
            int r = blocks.Shape.Columns;
            if (blocks.Shape.Rank != 3 || weight.Shape.Rank != 2 || weight.Shape[0] != blocks.Shape[0] * r
                || x.Shape.Columns != weight.Shape[1] || weight.Shape[1] % r != 0)
            {
                throw new ShapeException("block affine linear",
                    $"x {x.Shape}, weight {weight.Shape} and blocks {blocks.Shape} do not fit together");
            }
            var y = x.NewLike(x.Shape.WithColumns(weight.Shape[0]));
            for (int i = 0; i < blocks.Shape[0]; i++)
            {
                using var scope = new TensorScope();
                var part = x.NewLike([x.Shape.Rows, r]);
                x.Backend.MatMul(x, false, Delta(weight, blocks, pieces, i), true, part);
                x.Backend.CopyColumns(part, 0, y, i * r, r, false);
            }
            Tape.Record(() => new Node(x, weight, blocks, pieces), [x, blocks], [y]);
            return y;
        }
    }

    /// <summary>One row of blocks of Δ: (r, in).</summary>
    private static Tensor Delta(Tensor weight, Tensor blocks, Tensor pieces, int i)
    {
        int r = blocks.Shape.Columns, inputs = weight.Shape[1];
        var delta = blocks.NewLike([r, inputs]);
        blocks.Backend.MatMul(Cut(weight, i, r), false, Block(blocks, i), false, delta.View([inputs, r]));
        blocks.Backend.MatMul(Block(blocks, i), false, pieces, false, delta, 1, accumulate: true);
        return delta;
    }

    /// <summary>A row of blocks of the weight, cut into rows of r: (in, r).</summary>
    private static Tensor Cut(Tensor weight, int i, int r) => weight.View([weight.Shape[1], r], (long)i * r * weight.Shape[1]);

    private static Tensor Block(Tensor blocks, int i) =>
        blocks.View([blocks.Shape[1], blocks.Shape[2]], (long)i * blocks.Shape[1] * blocks.Shape[2]);

    /// <summary>y = x·Δᵀ, Δ = (W + I)·D in blocks;  dx = dy·Δ, dD = Σ (W + I)ᵀ·dΔ over a row of blocks, with dΔ = dyᵀ·x.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor _weight;
        private readonly Tensor _blocks;
        private readonly Tensor _pieces;

        public Node(Tensor x, Tensor weight, Tensor blocks, Tensor pieces) : base("block_affine_linear")
        {
            _x = SaveIf(blocks.RequiresGrad, "x", x, "dΔ = dyᵀ·x");
            (_weight, _blocks, _pieces) = (SaveWeight(weight), SaveWeight(blocks), SaveWeight(pieces));
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var backend = dy.Backend;
            int r = _blocks.Shape.Columns, inputs = _weight.Shape[1];
            var dx = context.GradInput(0, out bool addX);
            var dBlocks = context.GradInput(1, out bool addBlocks);
            for (int i = 0; i < _blocks.Shape[0]; i++)
            {
                using var scope = new TensorScope();
                var part = dy.NewLike([dy.Shape.Rows, r]);
                backend.CopyColumns(dy, i * r, part, 0, r, false);
                if (dx is not null)
                {
                    backend.MatMul(part, false, Delta(_weight, _blocks, _pieces, i), false, dx, 1, addX || i > 0);
                }
                if (dBlocks is not null)
                {
                    var delta = dy.NewLike([r, inputs], DType.F32);
                    backend.MatMul(part, true, _x!, false, delta);
                    backend.MatMul(Cut(_weight, i, r), true, delta.View([inputs, r]), false, Block(dBlocks, i), 1, addBlocks);
                    backend.MatMul(delta, false, _pieces, true, Block(dBlocks, i), 1, accumulate: true);
                }
            }
        }
    }
}
