using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Linear layer and cross-entropy fused, so that no tensor of rows × vocabulary is allocated: for a chunk of rows at a time,
/// logits = h·Wᵀ, their cross-entropy, softmax − onehot in place of the logits, and from that the chunk's part of dh (and of dW if W
/// requires a gradient). The readable version is <see cref="CrossEntropyOp"/> after a linear layer. (Wijmans et al. 2024, "Cut Your
/// Losses", keeps even the chunk in registers.)</summary>
internal static class LinearCrossEntropyOp
{
    /// <summary>Rows of a chunk: logits of the same bytes in F32 and BF16.</summary>
    internal static int ChunkRows(DType dtype) => 2048 / dtype.Size;

    extension(Tensor hidden)
    {
        /// <summary>Mean cross-entropy of hidden·Wᵀ with the targets.</summary>
        /// <param name="weight">(vocabulary, columns); F32, BF16 or F16.</param>
        /// <param name="targets">I32, one a row, in [0, vocabulary) or <see cref="CrossEntropyOp.Ignore"/>.</param>
        /// <param name="denominator">The denominator of the sum of losses; usually the number of targets.</param>
        /// <returns>A scalar.</returns>
        public Tensor LinearCrossEntropy(Tensor weight, Tensor targets, float denominator)
        {
            Check.Activation("linear cross entropy", "hidden", hidden);
            Check.Int32("linear cross entropy", "targets", targets);
            Check.OneDevice("linear cross entropy", hidden, weight, targets);
            Check.Matrix("linear cross entropy", "weight", weight, weight.Shape.Rows, hidden.Shape.Columns);
            int rows = hidden.Shape.Rows, chunk = ChunkRows(hidden.ResultDType);
            Check.Vector("linear cross entropy", "targets", targets, rows);
            var backend = hidden.Backend;
            var loss = hidden.NewLike([1], DType.F32);
            var dHidden = Tape.Needs(hidden) ? hidden.NewLike(hidden.Shape) : null;
            var dWeight = Tape.Needs(weight) ? hidden.NewLike(weight.Shape, DType.F32) : null;
            if (rows == 0 && dWeight is not null)
            {
                backend.Zero(dWeight); // no chunk will write it
            }
            using (new TensorScope())
            {
                var losses = hidden.NewLike([rows, 1], DType.F32, MemoryKind.Workspace);
                var flat = hidden.View([rows, hidden.Shape.Columns]);
                var logits = hidden.NewLike([Math.Min(chunk, rows), weight.Shape[0]], kind: MemoryKind.Workspace);
                for (int start = 0; start < rows; start += chunk)
                {
                    int count = Math.Min(chunk, rows - start);
                    Chunk(flat, weight, targets, logits.Part(0, count), losses.Part(start, count), start, 1 / denominator, dHidden,
                        dWeight);
                }
                backend.SumRows(losses, loss, false);
                backend.Scale(loss, 1 / denominator, loss, false);
            }
            Tape.Record(() => new CrossEntropyOp.LossNode("linear_cross_entropy", ("dhidden", dHidden, "dhidden = dlogits·W"),
                ("dweight", dWeight, "dweight = dlogitsᵀ·hidden")),
                [hidden, weight], [loss]);
            dHidden?.Dispose();
            dWeight?.Dispose();
            return loss;
        }

        private Tensor Part(int start, int count) => hidden.View([count, hidden.Shape.Columns], (long)start * hidden.Shape.Columns);
    }

    private static void Chunk(Tensor hidden, Tensor weight, Tensor targets, Tensor logits, Tensor losses, int start, float scale,
        Tensor? dHidden, Tensor? dWeight)
    {
        int count = logits.Shape[0];
        var backend = hidden.Backend;
        var rows = hidden.Part(start, count);
        backend.MatMul(rows, false, weight, true, logits);
        bool gradient = dHidden is not null || dWeight is not null;
        backend.CrossEntropy(logits, targets.View([count], start), CrossEntropyOp.Ignore, scale, losses, gradient);
        if (dHidden is not null)
        {
            backend.MatMul(logits, false, weight, false, dHidden.View([dHidden.Shape.Rows, dHidden.Shape.Columns]).Part(start, count));
        }
        if (dWeight is not null)
        {
            backend.MatMul(logits, true, rows, false, dWeight, 1, accumulate: start > 0);
        }
    }
}
