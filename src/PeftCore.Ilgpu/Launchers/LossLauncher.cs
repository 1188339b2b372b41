using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse)
    {
        int rows = heads.Tensor.Shape.Rows, half = cos.Shape.Columns;
        var layout = heads.Layout;
        if (!interleaved && half % 8 == 0 && heads.Tensor.Count <= int.MaxValue && CanVectorize(heads.Tensor)
            && (layout.RowStride | layout.Offset | layout.HeadStride) % 8 == 0)
        {
            Moves(heads.Tensor, heads.Tensor);
            _device.ForEach<RopeBf16x8, RopeBf16x8Args>((long)rows * heads.Count * (half / 8), new RopeBf16x8Args
            {
                Heads = Bf16x8View(heads.Tensor),
                Cos = Float32x8View(cos),
                Sin = Float32x8View(sin),
                Positions = I32(positions),
                RowStride = layout.RowStride / 8,
                Offset = layout.Offset / 8,
                HeadStride = layout.HeadStride / 8,
                Half = half / 8,
                Rows = rows,
                Count = heads.Count,
                TableRows = cos.Shape.Rows,
                Inverse = Flag(inverse),
            });
            return;
        }
        using var rotated = StageOut(heads.Tensor, true);
        _device.ForEach<Rope, RopeArgs>((long)rows * heads.Count * half, new RopeArgs
        {
            Heads = HeadsOf<Float32>(heads.On(rotated.Tensor)),
            Cos = F32(cos),
            Sin = F32(sin),
            Positions = I32(positions),
            Rows = rows,
            Count = heads.Count,
            Half = half,
            TableRows = cos.Shape.Rows,
            Interleaved = Flag(interleaved),
            Inverse = Flag(inverse),
        });
    }

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y)
    {
        using Float32Staging from = StageIn(x), to = StageOut(y, false);
        _device.Run<SoftmaxForward, SoftmaxArgs>(x.Shape.Rows, 1,
            new SoftmaxArgs { X = from.View, Y = to.View, DOut = None<float>(), Columns = x.Shape.Columns });
    }

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate)
    {
        using Float32Staging from = StageIn(y), gradient = StageIn(dy), to = StageOut(dx, accumulate);
        _device.Run<SoftmaxBackward, SoftmaxArgs>(y.Shape.Rows, 1,
            new SoftmaxArgs { X = from.View, DOut = gradient.View, Y = to.View, Columns = y.Shape.Columns, Accumulate = Flag(accumulate) });
    }

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient)
    {
        if (CanVectorize(logits))
        {
            Moves(logits, logits);
            _device.Run<CrossEntropyRowsBf16x8, CrossEntropyBf16x8Args>(logits.Shape.Rows, 1, new CrossEntropyBf16x8Args
            {
                Logits = Bf16x8View(logits),
                Losses = F32(losses),
                Labels = I32(labels),
                Vectors = logits.Shape.Columns / 8,
                IgnoreLabel = ignoreLabel,
                WriteGradient = Flag(writeGradient),
                Scale = scale,
            });
            return;
        }
        if (logits.DType == DType.BF16)
        {
            CrossEntropy<BFloat16>(logits, labels, ignoreLabel, scale, losses, writeGradient);
            return;
        }
        using var rows = StageOut(logits, true);
        CrossEntropy<Float32>(rows.Tensor, labels, ignoreLabel, scale, losses, writeGradient);
    }

    private void CrossEntropy<TElement>(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient)
        where TElement : unmanaged, IElement<TElement>
    {
        Moves(logits, logits);
        _device.Run<CrossEntropyRows<TElement>, CrossEntropyArgs<TElement>>(logits.Shape.Rows, 1, new CrossEntropyArgs<TElement>
        {
            Logits = View<TElement>(logits),
            Losses = F32(losses),
            Labels = I32(labels),
            Columns = logits.Shape.Columns,
            IgnoreLabel = ignoreLabel,
            WriteGradient = Flag(writeGradient),
            Scale = scale,
        });
    }
}
