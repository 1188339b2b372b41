using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Softmax and cross-entropy.</summary>
internal sealed class CpuLosses(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Softmax(Tensor x, Tensor y) =>
        Launch(LaunchCost.Of("softmax", x, y), (x: In(x), y: Out(y)),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    CrossEntropy.Softmax(c.x.RowsOf(part).F32, c.y.RowsOf(part).F32, part.Count, c.x.Columns, s.Pool);
                }
            });

    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of softmax", y, dy, dx), (y: In(y), dy: In(dy), dx: Out(dx), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.y))
                {
                    CrossEntropy.SoftmaxBackward(c.y.RowsOf(part).F32, c.dy.RowsOf(part).F32, c.dx.RowsOf(part).F32, part.Count,
                        c.y.Columns, c.accumulate, s.Pool);
                }
            });

    public void TopKSoftmax(Tensor x, int k, Tensor y) =>
        Launch(LaunchCost.Of("top-k softmax", x, y), (x: In(x), k, y: Out(y)),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.x))
                {
                    TopK.Softmax(c.x.RowsOf(part).F32, c.k, c.y.RowsOf(part).F32, part.Count, c.x.Columns, s.Pool);
                }
            });

    public void CrossEntropyLoss(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        Launch(LaunchCost.Of("cross-entropy", logits, writeGradient ? logits : null),
            (logits: writeGradient ? Out(logits) : In(logits), labels: In(labels), ignoreLabel, scale, losses: Out(losses), writeGradient),
            static (c, s) =>
            {
                foreach (var part in s.RowPartsOf(c.logits))
                {
                    CrossEntropy.ForwardBackward(c.logits.RowsOf(part).F32, c.labels[part].I32, c.ignoreLabel, c.scale, c.losses[part].F32,
                        part.Count, c.logits.Columns, c.writeGradient, s.Pool);
                }
            });

    public void CtcLoss(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses, Tensor? gradient) =>
        Launch(LaunchCost.Of("ctc", logits, scratch, gradient), (shape, logits: In(logits), labels: In(labels), frames: In(frames),
            scratch: Out(scratch), losses: Out(losses), gradient: OutOrNull(gradient)),
            static (c, s) => Ctc.Run(c.logits.F32, c.labels.I32, c.frames.I32, c.shape, c.scratch.F32, c.losses.F32,
                c.gradient.F32OrEmpty, s.Pool));
}
