using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Softmax and cross-entropy.</summary>
internal sealed class CpuLosses(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Softmax(Tensor x, Tensor y) =>
        Launch(LaunchCost.Of("softmax", x, y), (x: In(x), y: Out(y)),
            static (c, s) => CrossEntropy.Softmax(c.x.F32, c.y.F32, c.x.Rows, c.x.Columns, s.Pool));

    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of softmax", y, dy, dx), (y: In(y), dy: In(dy), dx: Out(dx), accumulate),
            static (c, s) => CrossEntropy.SoftmaxBackward(c.y.F32, c.dy.F32, c.dx.F32, c.y.Rows, c.y.Columns, c.accumulate, s.Pool));

    public void TopKSoftmax(Tensor x, int k, Tensor y) =>
        Launch(LaunchCost.Of("top-k softmax", x, y), (x: In(x), k, y: Out(y)),
            static (c, s) => TopK.Softmax(c.x.F32, c.k, c.y.F32, c.x.Rows, c.x.Columns, s.Pool));

    public void CrossEntropyLoss(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        Launch(LaunchCost.Of("cross-entropy", logits, writeGradient ? logits : null),
            (logits: writeGradient ? Out(logits) : In(logits), labels: In(labels), ignoreLabel, scale, losses: Out(losses), writeGradient),
            static (c, s) => CrossEntropy.ForwardBackward(c.logits.F32, c.labels.I32, c.ignoreLabel, c.scale, c.losses.F32,
                c.logits.Rows, c.logits.Columns, c.writeGradient, s.Pool));
}
