using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Softmax and cross-entropy, one thread block per row.</summary>
internal sealed class LossLauncher(LaunchContext gpu)
{
    public void Softmax(Tensor x, Tensor y)
    {
        using Float32Staging from = gpu.StageIn(x), to = gpu.StageOut(y, false);
        gpu.Run<SoftmaxForward, SoftmaxArgs>(x.Shape.Rows, 1,
            new SoftmaxArgs { X = from.View, Y = to.View, DOut = gpu.None<float>(), Columns = x.Shape.Columns });
    }

    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate)
    {
        using Float32Staging from = gpu.StageIn(y), gradient = gpu.StageIn(dy), to = gpu.StageOut(dx, accumulate);
        gpu.Run<SoftmaxBackward, SoftmaxArgs>(y.Shape.Rows, 1,
            new SoftmaxArgs { X = from.View, DOut = gradient.View, Y = to.View, Columns = y.Shape.Columns, Accumulate = Flag(accumulate) });
    }

    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient)
    {
        if (CanVectorize(logits))
        {
            gpu.Moves(logits, logits);
            gpu.Run<CrossEntropyRowsBf16x8, CrossEntropyBf16x8Args>(logits.Shape.Rows, 1, new CrossEntropyBf16x8Args
            {
                Logits = gpu.Bf16x8(logits),
                Losses = gpu.F32(losses),
                Labels = gpu.I32(labels),
                Vectors = logits.Shape.Columns / 8,
                IgnoreLabel = ignoreLabel,
                WriteGradient = Flag(writeGradient),
                Scale = scale,
            });
            return;
        }
        if (logits.DType == DType.BF16)
        {
            DTypeSwitch.Element(DType.BF16, new CrossEntropyLaunch(gpu, logits, labels, ignoreLabel, scale, losses, writeGradient));
            return;
        }
        using var rows = gpu.StageOut(logits, true);
        DTypeSwitch.Element(DType.F32, new CrossEntropyLaunch(gpu, rows.Tensor, labels, ignoreLabel, scale, losses, writeGradient));
    }

    public void Ctc(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses, Tensor? gradient)
    {
        var all = gpu.F32(scratch);
        long alpha = (long)shape.Batch * shape.Frames * shape.States, normalizers = (long)shape.Batch * shape.Frames;
        gpu.Run<CtcRows, CtcArgs>(shape.Batch, 1, new CtcArgs
        {
            Logits = gpu.F32(logits),
            Labels = gpu.I32(labels),
            Lengths = gpu.I32(frames),
            Alpha = all.SubView(0, alpha),
            Normalizers = all.SubView(alpha, normalizers),
            Beta = all.SubView(alpha + normalizers, 2L * shape.Batch * shape.States),
            Losses = gpu.F32(losses),
            Gradient = gpu.F32OrNone(gradient),
            Frames = shape.Frames,
            Classes = shape.Classes,
            MostLabels = shape.Labels,
            Blank = shape.Blank,
            IsMean = Flag(shape.IsMean),
            ZeroInfinity = Flag(shape.ZeroInfinity),
            WriteGradient = Flag(gradient is not null),
        });
        gpu.Written(losses);
        if (gradient is not null)
        {
            gpu.Written(gradient);
        }
    }

    private readonly record struct CrossEntropyLaunch(
        LaunchContext Gpu, Tensor Logits, Tensor Labels, int IgnoreLabel, float Scale, Tensor Losses, bool WriteGradient) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            Gpu.Moves(Logits, Logits);
            Gpu.Run<CrossEntropyRows<TElement>, CrossEntropyArgs<TElement>>(Logits.Shape.Rows, 1, new CrossEntropyArgs<TElement>
            {
                Logits = Gpu.View<TElement>(Logits),
                Losses = Gpu.F32(Losses),
                Labels = Gpu.I32(Labels),
                Columns = Logits.Shape.Columns,
                IgnoreLabel = IgnoreLabel,
                WriteGradient = Flag(WriteGradient),
                Scale = Scale,
            });
        }
    }
}
