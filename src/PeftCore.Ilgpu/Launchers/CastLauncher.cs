using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Conversions between dtypes, and copies into aligned rows.</summary>
internal sealed class CastLauncher(LaunchContext gpu)
{
    /// <summary>Converts the elements to the other tensor's dtype, rounded to nearest even.</summary>
    /// <exception cref="ShapeException">Neither dtype is F32, and they differ.</exception>
    public void Cast(Tensor from, Tensor to)
    {
        if (from.DType == to.DType)
        {
            Copy(from, to);
        }
        else if (from.DType == DType.BF16 && to.DType == DType.F32 && CanVectorizeCast(from, to))
        {
            gpu.ForEach<CastToFloatBf16x8, CastBf16x8Args>(to.Count / 8,
                new CastBf16x8Args { Elements = gpu.Bf16x8(from), Floats = gpu.Float4x2(to) });
        }
        else if (from.DType == DType.F32 && to.DType == DType.BF16 && CanVectorizeCast(to, from))
        {
            gpu.ForEach<CastFromFloatBf16x8, CastBf16x8Args>(to.Count / 8,
                new CastBf16x8Args { Elements = gpu.Bf16x8(to), Floats = gpu.Float4x2(from) });
        }
        else if (to.DType == DType.F32 && from.DType.IsFloat)
        {
            DTypeSwitch.Element(from.DType, new ToFloat(gpu, from, to));
        }
        else if (from.DType == DType.F32 && to.DType.IsFloat)
        {
            DTypeSwitch.Element(to.DType, new FromFloat(gpu, from, to));
        }
        else
        {
            throw new ShapeException("cast", $"there is no direct way from {from.DType} to {to.DType}; go through F32");
        }
        gpu.Written(to);
    }

    /// <summary>Copies a tensor of the same dtype and element count.</summary>
    public void Copy(Tensor from, Tensor to)
    {
        if (from.ByteCount > 0)
        {
            gpu.Device.Memory.Copy(Address(from), Address(to), from.ByteCount);
            gpu.Written(to);
        }
    }

    /// <summary>Rounds F32 elements at an address into a BF16 tensor.</summary>
    public void Round(nint address, Tensor bf16) => gpu.ForEach<CastFromFloat<BFloat16>, CastArgs<BFloat16>>(bf16.Count,
        new CastArgs<BFloat16> { Elements = gpu.View<BFloat16>(bf16), Floats = gpu.Device.Space.View<float>(address, bf16.Count) });

    /// <summary>Copies F32 or BF16 rows into BF16 rows of whole 16-byte chunks, with zeros after the last column.</summary>
    public void PadRows(Tensor from, Tensor to)
    {
        var product = gpu.Device.Work; // The work of the launch after this one.
        gpu.Moves(from, to);
        DTypeSwitch.Element(from.DType, new PadRowsLaunch(gpu, from, to));
        gpu.Device.Work = product;
    }

    private static bool CanVectorizeCast(Tensor bf16, Tensor f32) => f32.Count % 8 == 0 && Address(bf16) % 16 == 0
        && Address(f32) % 32 == 0;

    private readonly record struct ToFloat(LaunchContext Gpu, Tensor From, Tensor To) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> =>
            Gpu.ForEach<CastToFloat<TElement>, CastArgs<TElement>>(To.Count,
                new CastArgs<TElement> { Elements = Gpu.View<TElement>(From), Floats = Gpu.F32(To) });
    }

    private readonly record struct FromFloat(LaunchContext Gpu, Tensor From, Tensor To) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> =>
            Gpu.ForEach<CastFromFloat<TElement>, CastArgs<TElement>>(To.Count,
                new CastArgs<TElement> { Elements = Gpu.View<TElement>(To), Floats = Gpu.F32(From) });
    }

    private readonly record struct PadRowsLaunch(LaunchContext Gpu, Tensor From, Tensor To) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            int vectors = To.Shape.Columns / 8, blocksPerRow = SplitKSchedule.Count(vectors, Gpu.Device.BlockSize);
            Gpu.Run<PadRows<TElement>, PadRowsArgs<TElement>>((long)From.Shape.Rows * blocksPerRow, 1, new PadRowsArgs<TElement>
            {
                From = Gpu.View<TElement>(From), To = Gpu.Bf16x8(To), Columns = From.Shape.Columns, Vectors = vectors,
                BlocksPerRow = blocksPerRow,
            });
        }
    }
}
