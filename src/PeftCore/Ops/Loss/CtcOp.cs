using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Connectionist temporal classification (Graves et al. 2006), as torch.nn.functional.ctc_loss: −log of the probability that
/// frames spell labels, summed over all alignments. An alignment repeats symbols and puts blanks between them.
/// <para>y = Σ_b w_b·(−log p(labels_b | logits_b)), w_b = 1/labels of row b, or 1;  dlogits = dy·w_b·(softmax(logits) − posterior), which
/// the forward pass computes up to dy.</para></summary>
internal static class CtcOp
{
    extension(Tensor logits)
    {
        /// <summary>The sum of the rows' losses.</summary>
        /// <param name="labels">I32 (B, L): symbols, negative after the last label of a row.</param>
        /// <param name="frames">I32 (B): frames of each row, padding excluded.</param>
        /// <param name="settings">Blank and weights.</param>
        /// <returns>A scalar.</returns>
        public Tensor Ctc(Tensor labels, Tensor frames, CtcSettings settings)
        {
            Check.Float32("ctc", "logits", logits);
            Check.Int32("ctc", "labels", labels);
            Check.Int32("ctc", "frames", frames);
            Check.OneDevice("ctc", logits, labels, frames);
            if (logits.Shape.Rank != 3 || labels.Shape.Rank != 2 || labels.Shape[0] != logits.Shape[0])
            {
                throw new ShapeException("ctc", $"logits must be (B, T, C) and labels (B, L), got {logits.Shape} and {labels.Shape}");
            }
            var (batch, length, classes) = (logits.Shape[0], logits.Shape[1], logits.Shape[2]);
            Check.Vector("ctc", "frames", frames, batch);
            if (settings.Blank < 0 || settings.Blank >= classes)
            {
                throw new ShapeException("ctc", $"the blank is {settings.Blank}, but there are {classes} symbols");
            }
            var shape = new CtcShape(batch, length, classes, labels.Shape[1], settings.Blank, settings.IsMean, settings.ZeroInfinity);
            var loss = logits.NewLike([1], DType.F32);
            var gradient = Tape.Needs(logits) ? logits.NewLike(logits.Shape) : null;
            using var scratch = logits.NewLike([batch, shape.Scratch], DType.F32, MemoryKind.Workspace);
            using var losses = logits.NewLike([batch, 1], DType.F32, MemoryKind.Workspace);
            logits.Backend.Ctc(shape, logits, labels, frames, scratch, losses, gradient);
            logits.Backend.SumRows(losses, loss, false);
            Tape.Record(() => new CrossEntropyOp.LossNode("ctc",
                ("dlogits", gradient, "dlogits = dy·w_b·(softmax(logits) − posterior)")), [logits], [loss]);
            gradient?.Dispose();
            return loss;
        }
    }
}

/// <summary>Settings of connectionist temporal classification.</summary>
/// <param name="Blank">The symbol between labels.</param>
/// <param name="IsMean">Whether the loss of a row is divided by its number of labels (reduction "mean", but for the mean over
/// rows).</param>
/// <param name="ZeroInfinity">Whether a row whose labels do not fit its frames has the loss 0 rather than ∞.</param>
internal readonly record struct CtcSettings(int Blank, bool IsMean = true, bool ZeroInfinity = false);
