using PeftCore.Kernels.Ilgpu.Portable.Quantized;

namespace PeftCore.Kernels.Ilgpu;

internal static partial class KernelCatalog
{
    private static void Quantized(IKernelVisitor visitor)
    {
        QuantizedElements<Float32>(visitor);
        QuantizedElements<BFloat16>(visitor);
        QuantizedElements<Float16>(visitor);
        visitor.Visit<ListOutliers, OutlierArgs<Float32>>();
    }

    private static void QuantizedElements<TElement>(IKernelVisitor visitor) where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<FourBitQuantize<TElement>, FourBitQuantizeArgs<TElement>>();
        visitor.Visit<FourBitDequantize<TElement>, FourBitDequantizeArgs<TElement>>();
        visitor.Visit<RowQuantize<TElement>, RowQuantizeArgs<TElement>>();
        visitor.Visit<RowDequantize<TElement>, RowDequantizeArgs<TElement>>();
        visitor.Visit<FlagOutliers<TElement>, OutlierArgs<TElement>>();
        visitor.Visit<Int8Gemm<TElement>, Int8GemmArgs<TElement>>();
        visitor.Visit<OutlierGemm<TElement, Float32>, OutlierGemmArgs<TElement, Float32>>();
        visitor.Visit<OutlierGemm<TElement, BFloat16>, OutlierGemmArgs<TElement, BFloat16>>();
    }
}
