using System.Runtime.InteropServices;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = P·Wᵀ + b + Σ (s·P·Aᵀ)·Bᵀ with the patches P of x: a linear layer over patches, with the low-rank updates of
/// <see cref="LowRankLinearOp"/>. P is packed some rows at a time, in forward and again in backward, and never stored: x is saved for the
/// gradients of W and A only, xA for those of B only. A 1 × 1 convolution is the linear layer itself.</summary>
internal static class ConvolutionOp
{
    extension(Tensor x)
    {
        /// <summary>Convolution of channels-last pictures or sequences.</summary>
        /// <param name="spec">Kernel, stride, padding, dilation, groups.</param>
        /// <param name="weight">(out, channels/groups·kernel height·kernel width), a view of PyTorch's (out, channels/groups, height,
        /// width); F32, BF16 or F16.</param>
        /// <param name="bias">(out), or null.</param>
        /// <param name="updates">Low-rank updates without a diagonal, for a convolution of one group; A as the weight, B (out, r).</param>
        /// <returns>(batch, height, width, out), or (batch, length, out)</returns>
        /// <exception cref="ShapeException">The shapes do not fit together.</exception>
        public Tensor Convolve(ConvolutionSpec spec, Tensor weight, Tensor? bias = null, params ReadOnlySpan<LowRankUpdate> updates)
        {
            var grid = spec.On(x.Shape);
            CheckShapes(x, grid, weight, bias, updates);
            if (spec.IsPointwise)
            {
                return updates.IsEmpty ? x.Linear(weight, bias) : x.LoraLinear(weight, bias, false, updates);
            }
            var fused = new List<LowRankUpdate>();
            using var scope = new TensorScope();
            Tensor? dropped = null;
            foreach (var update in updates)
            {
                if (!update.Dropout.Active)
                {
                    fused.Add(update);
                    continue;
                }
                // Dropout acts on x, so that an element is dropped in all of its patches: these patches are others than those of W.
                var branch = x.Dropout(update.Dropout).Convolve(spec, update.A).Linear(update.B, update.Bias) * update.Scale;
                dropped = dropped is null ? branch : dropped + branch;
            }
            var y = Run(x, spec, grid, weight, bias, [.. fused]);
            return scope.Return(dropped is null ? y : y + dropped);
        }
    }

    private static Tensor Run(Tensor x, ConvolutionSpec spec, PatchGrid grid, Tensor weight, Tensor? bias, LowRankUpdate[] updates)
    {
        var y = x.NewLike(spec.ShapeOf(grid, weight.Shape[0]));
        var xA = Array.ConvertAll(updates, update => x.NewLike([grid.Rows, update.A.Shape[0]]));
        if (updates.Length == 0 && bias?.DType != DType.F16 && ImplicitConvolution.Takes(x, grid, weight))
        {
            ImplicitConvolution.Run(x, grid, weight, bias, y);
        }
        else
        {
            MultiplyPatches(x, grid, weight, bias, updates, xA, y);
        }
        List<Tensor?> inputs = [x, weight, bias];
        foreach (var update in updates)
        {
            inputs.AddRange([update.A, update.B, update.Bias]);
        }
        Tape.Record(() => new Node(x, grid, weight, updates, xA), CollectionsMarshal.AsSpan(inputs), [y]);
        return y;
    }

    private static void MultiplyPatches(Tensor x, PatchGrid grid, Tensor weight, Tensor? bias, LowRankUpdate[] updates, Tensor[] xA,
        Tensor y)
    {
        var backend = x.Backend;
        var terms = new GemmOperands[1 + updates.Length];
        foreach (var piece in PatchPieces.Of(x, grid))
        {
            for (int g = 0; g < grid.Groups; g++)
            {
                using var scope = new TensorScope();
                var patches = x.NewLike([piece.Count, grid.Columns], x.DType, MemoryKind.Workspace);
                backend.PackPatches(x, grid, g, piece.First, patches);
                terms[0] = new GemmOperands(patches, false, GroupOf(weight, g, grid), true);
                for (int j = 0; j < updates.Length; j++)
                {
                    var rows = piece.RowsOf(xA[j]);
                    backend.MatMul(patches, false, updates[j].A, true, rows, updates[j].Scale);
                    terms[1 + j] = new GemmOperands(rows, false, updates[j].B, true);
                }
                Write(terms, piece, g, grid.Groups, y);
            }
        }
        if (bias is not null)
        {
            backend.AddRow(y, bias);
        }
        foreach (var update in updates)
        {
            update.AddBias(y);
        }
    }

    /// <summary>Writes Σ of products to the columns of one group.</summary>
    private static void Write(ReadOnlySpan<GemmOperands> terms, PatchPieces.Piece piece, int group, int groups, Tensor y)
    {
        var rows = piece.RowsOf(y);
        if (groups == 1)
        {
            y.Backend.MatMulSum(terms, rows);
            return;
        }
        int width = y.Shape.Columns / groups;
        var part = y.NewLike([piece.Count, width], y.DType, MemoryKind.Workspace);
        y.Backend.MatMulSum(terms, part);
        y.Backend.CopyColumns(part, 0, rows, group * width, width, false);
    }

    /// <summary>The rows of a weight, or of its gradient, that belong to one group.</summary>
    private static Tensor GroupOf(Tensor weight, int group, PatchGrid grid)
    {
        int rows = weight.Shape[0] / grid.Groups;
        return grid.Groups == 1 ? weight : weight.View([rows, grid.Columns], (long)group * rows * grid.Columns);
    }

    private static void CheckShapes(Tensor x, PatchGrid grid, Tensor weight, Tensor? bias, ReadOnlySpan<LowRankUpdate> updates)
    {
        Check.Activation("convolution", "x", x);
        Check.OneDevice("convolution", x, weight, bias);
        if (weight.Shape.Rank != 2 || weight.Shape[1] != grid.Columns || weight.Shape[0] % grid.Groups != 0 || !weight.DType.IsFloat)
        {
            throw new ShapeException("convolution",
                $"needs a weight (out, {grid.Columns}) with outputs in {grid.Groups} groups for x {x.Shape}, got {weight}");
        }
        Check.Weights("convolution", "bias", bias, weight.Shape[0]);
        foreach (var update in updates)
        {
            if (grid.Groups != 1 || update.Diagonal is not null)
            {
                throw new ShapeException("convolution", "low-rank updates need one group and have no diagonal here");
            }
            Check.OneDevice("convolution", x, update.A, update.B, update.Bias);
            Check.Matrix("convolution", "A", update.A, update.A.Shape.Rows, grid.Columns);
            Check.Matrix("convolution", "B", update.B, weight.Shape[0], update.A.Shape[0]);
            Check.Weights("convolution", "the bias of B", update.Bias, weight.Shape[0]);
        }
    }

    /// <summary>y = P·Wᵀ + b + Σ xA·Bᵀ with xA = s·P·Aᵀ;  with h = s·dy·B: dW = dyᵀ·P, db = Σ dy over rows, dB = dyᵀ·xA, dA = hᵀ·P,
    /// dP = dy·W + Σ h·A, and dx adds dP up at the positions of the patches. P and dP are one buffer of some rows. Without updates a device
    /// may compute y and dx with no such buffer: <see cref="ImplicitConvolution"/>.</summary>
    private sealed class Node : GradientNode
    {
        private const int FirstUpdate = 3;
        private const int UpdateSlots = 3;

        private readonly PatchGrid _grid;
        private readonly SavedValue? _x;
        private readonly Tensor? _weight;
        private readonly LowRankUpdate[] _updates;
        private readonly Tensor?[] _xA;

        public Node(Tensor x, PatchGrid grid, Tensor weight, LowRankUpdate[] updates, Tensor[] xA) : base("convolution")
        {
            _grid = grid;
            bool trainsA = updates.Any(update => update.A.RequiresGrad);
            _x = weight.RequiresGrad || trainsA
                ? SaveOrRecompute("x", x, Uses((weight.RequiresGrad, "dW = dyᵀ·P"), (trainsA, "dA = hᵀ·P"))) : null;
            _weight = x.RequiresGrad ? SaveWeight(weight) : null;
            _xA = new Tensor?[updates.Length];
            _updates = new LowRankUpdate[updates.Length];
            for (int j = 0; j < updates.Length; j++)
            {
                _updates[j] = updates[j] with { A = SaveWeight(updates[j].A), B = SaveWeight(updates[j].B) };
                _xA[j] = SaveIf(updates[j].B.RequiresGrad, updates.Length > 1 ? $"xA{j}" : "xA", xA[j], "dB = dyᵀ·xA");
            }
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(2, out bool accumulate) is { } db)
            {
                dy.Backend.SumRows(dy, db, accumulate);
            }
            using var scope = new TensorScope();
            var h = new Tensor?[_updates.Length];
            var dA = new PieceGradient?[_updates.Length];
            for (int j = 0; j < h.Length; j++)
            {
                h[j] = ThroughB(context, dy, j);
                dA[j] = PieceGradient.Of(context, SlotOf(j));
            }
            var dw = PieceGradient.Of(context, 1);
            var dx = context.GradInput(0, out accumulate);
            if (dx is not null && _updates.Length == 0 && ImplicitConvolution.TakesGradient(dy, _grid, _weight!))
            {
                ImplicitConvolution.Gradient(dy, _grid, _weight!, dx, accumulate);
                dx = null;
            }
            if (dx is not null && !accumulate)
            {
                dx.Backend.Zero(dx);
            }
            if (dx is null && dw is null && Array.TrueForAll(dA, target => target is null))
            {
                return;
            }
            if (_grid.Rows == 0)
            {
                Array.ForEach([dw, .. dA], target => target?.ZeroIfNew());
            }
            foreach (var piece in PatchPieces.Of(dx ?? _x!.Value, _grid))
            {
                for (int g = 0; g < _grid.Groups; g++)
                {
                    Backward(piece, g, dy, h, dx, dw, dA);
                }
            }
        }

        /// <summary>The gradients through one piece of the patches of one group.</summary>
        private void Backward(PatchPieces.Piece piece, int group, Tensor dy, Tensor?[] h, Tensor? dx, PieceGradient? dw,
            PieceGradient?[] dA)
        {
            using var scope = new TensorScope();
            var backend = dy.Backend;
            var like = dx ?? _x!.Value;
            var patches = like.NewLike([piece.Count, _grid.Columns], like.DType, MemoryKind.Workspace);
            var part = piece.RowsOf(dy, group, _grid.Groups);
            if (_x is not null)
            {
                backend.PackPatches(_x.Value, _grid, group, piece.First, patches);
                if (dw is not null)
                {
                    backend.MatMul(part, true, patches, false, GroupOf(dw.Gradient, group, _grid), 1, dw.Adds(piece.First));
                }
                for (int j = 0; j < dA.Length; j++)
                {
                    if (dA[j] is { } target)
                    {
                        backend.MatMul(piece.RowsOf(h[j]!), true, patches, false, target.Gradient, 1, target.Adds(piece.First));
                    }
                }
            }
            if (dx is null)
            {
                return;
            }
            List<GemmOperands> terms = [new(part, false, GroupOf(_weight!, group, _grid), false)];
            for (int j = 0; j < h.Length; j++)
            {
                terms.Add(new GemmOperands(piece.RowsOf(h[j]!), false, _updates[j].A, false));
            }
            backend.MatMulSum(CollectionsMarshal.AsSpan(terms), patches); // dP
            backend.AddPatches(patches, _grid, group, piece.First, dx);
        }

        /// <summary>Computes dB and the gradient of B's bias; returns h = s·dy·B (rows, r), or null if neither A nor x needs it.</summary>
        private Tensor? ThroughB(BackwardContext context, Tensor dy, int j)
        {
            var update = _updates[j];
            if (context.GradInput(SlotOf(j) + 1, out bool accumulate) is { } dB)
            {
                dy.Backend.MatMul(dy, true, _xA[j]!, false, dB, 1, accumulate);
            }
            if (context.GradInput(SlotOf(j) + 2, out accumulate) is { } dBias)
            {
                var sum = dy.NewLike([dy.Shape.Columns], DType.F32);
                dy.Backend.SumRows(dy, sum, false);
                dy.Backend.Scale(sum, update.Scale, dBias, accumulate);
            }
            if (!context.NeedsInputGrad(SlotOf(j)) && !context.NeedsInputGrad(0))
            {
                return null;
            }
            var h = dy.NewLike([_grid.Rows, update.A.Shape[0]]);
            dy.Backend.MatMul(dy, false, update.B, false, h, update.Scale);
            return h;
        }

        private static int SlotOf(int update) => FirstUpdate + update * UpdateSlots;
    }
}
