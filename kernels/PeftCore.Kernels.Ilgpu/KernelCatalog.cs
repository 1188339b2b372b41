using ILGPU;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;
using PeftCore.Kernels.Ilgpu.Portable.Attention;
using PeftCore.Kernels.Ilgpu.Portable.Convolutions;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Experts;
using PeftCore.Kernels.Ilgpu.Portable.LinearAttention;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Portable.Vision;
using PeftCore.Kernels.Ilgpu.Vectorized;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>An action on each kernel, such as compiling it.</summary>
internal interface IKernelVisitor
{
    void Visit<TKernel, TArgs>()
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct;
}

/// <summary>Every kernel, in the variants that a backend launches.</summary>
internal static partial class KernelCatalog
{
    /// <summary>Visits all kernels for thread blocks of one shape, except those of Hopper and Ampere.</summary>
    public static void Visit<TBlock>(IKernelVisitor visitor) where TBlock : struct, IBlockShape
    {
        Formula<Silu>(visitor);
        Formula<Gelu>(visitor);
        Formula<GeluTanh>(visitor);
        Formula<QuickGelu>(visitor);
        Formula<Relu>(visitor);
        Formula<ReluSquared>(visitor);
        Formula<Sigmoid>(visitor);
        Formula<Tanh>(visitor);
        Formula<InverseSqrt>(visitor);
        Formula<Reciprocal>(visitor);
        Formula<Exp>(visitor);
        Formula<Log>(visitor);
        Formula<Softplus>(visitor);
        Plain(visitor);
        Quantized(visitor);
        Experts<TBlock>(visitor);
        LinearAttention(visitor);
        Vision(visitor);
        MultiTensor(visitor);
        Vectorized(visitor);
        Elements<Float32>(visitor);
        Elements<BFloat16>(visitor);
        Elements<Float16>(visitor);
        Attention<Float32, TBlock>(visitor);
        Attention<BFloat16, TBlock>(visitor);
        Product<Float32, TBlock>(visitor);
        Product<BFloat16, TBlock>(visitor);
        Product<Float16, TBlock>(visitor);
        ExpertElements<Float32>(visitor);
        ExpertElements<BFloat16>(visitor);
        Convolutions<Float32>(visitor);
        Convolutions<BFloat16>(visitor);
    }

    /// <summary>Visits Hopper's attention kernels.</summary>
    public static void VisitFlash(IKernelVisitor visitor)
    {
        Flash<Flash32>(visitor);
        Flash<Flash64>(visitor);
        Flash<Flash80>(visitor);
        Flash<Flash96>(visitor);
        Flash<Flash128>(visitor);
        Flash<Flash256>(visitor);
        FlashKeys<Flash32>(visitor);
        FlashKeys<Flash64>(visitor);
        FlashKeys<Flash80>(visitor);
        FlashKeys<Flash96>(visitor);
        FlashKeys<Flash128>(visitor);
        FlashKeys<Flash256Keys>(visitor);
        FlashKeys<Flash256Values>(visitor);
    }

    private static void Flash<TDim>(IKernelVisitor visitor) where TDim : struct, IFlashDim
    {
        visitor.Visit<FlashForward<TDim, NoTerms>, FlashArgs<ArrayView<int>>>();
        visitor.Visit<FlashForward<TDim, WithTerms>, FlashArgs<ArrayView<int>>>();
        visitor.Visit<FlashQueryGradient<TDim, NoTerms>, FlashArgs<ArrayView<int>>>();
        visitor.Visit<FlashQueryGradient<TDim, WithTerms>, FlashArgs<ArrayView<int>>>();
    }

    private static void FlashKeys<TDim>(IKernelVisitor visitor) where TDim : struct, IFlashKeys
    {
        visitor.Visit<FlashKeyGradient<TDim, NoTerms>, FlashArgs<ArrayView<int>>>();
        visitor.Visit<FlashKeyGradient<TDim, WithTerms>, FlashArgs<ArrayView<int>>>();
    }

    private static void Formula<TFormula>(IKernelVisitor visitor) where TFormula : struct, IUnaryFormula
    {
        visitor.Visit<Pointwise<ValueOf<TFormula>>, PointwiseArgs>();
        visitor.Visit<Pointwise<SlopeOf<TFormula>>, PointwiseArgs>();
        visitor.Visit<Pointwise<GateOf<TFormula>>, PointwiseArgs>();
        visitor.Visit<GatedGradient<TFormula>, GatedGradientArgs>();
        visitor.Visit<PointwiseBf16x8<ValueOf<TFormula>>, PointwiseBf16x8Args>();
        visitor.Visit<PointwiseBf16x8<SlopeOf<TFormula>>, PointwiseBf16x8Args>();
        visitor.Visit<PointwiseBf16x8<GateOf<TFormula>>, PointwiseBf16x8Args>();
        visitor.Visit<GatedGradientBf16x8<TFormula>, GatedGradientBf16x8Args>();
    }

    private static void Plain(IKernelVisitor visitor)
    {
        visitor.Visit<Pointwise<Plus>, PointwiseArgs>();
        visitor.Visit<Pointwise<Times>, PointwiseArgs>();
        visitor.Visit<Pointwise<Scaled>, PointwiseArgs>();
        visitor.Visit<ScaleByDevice, PointwiseArgs>();
        visitor.Visit<Dropout, DropoutArgs>();
        visitor.Visit<FillUniform, FillUniformArgs>();
        visitor.Visit<SgdStep, SgdArgs>();
        visitor.Visit<ScatterAdd, ScatterAddArgs>();
        visitor.Visit<RowDots, RowDotsArgs>();
        visitor.Visit<SoftmaxForward, SoftmaxArgs>();
        visitor.Visit<SoftmaxBackward, SoftmaxArgs>();
        visitor.Visit<CtcRows, CtcArgs>();
        Unaligned<Float32>(visitor);
        Unaligned<BFloat16>(visitor);
        Rows<Float32>(visitor);
        Rows<BFloat16>(visitor);
        visitor.Visit<Portable.Rows.Rope, RopeArgs>();
        visitor.Visit<Portable.Attention.AttentionSinkGradient, AttentionSinkArgs>();
        visitor.Visit<RelativeBias, RelativeBiasArgs>();
        visitor.Visit<RelativeBiasGradient, RelativeBiasArgs>();
        visitor.Visit<SumPartials, SumPartialsArgs>();
        Structured(visitor);
    }

    private static void Vectorized(IKernelVisitor visitor)
    {
        visitor.Visit<DropoutBf16x8, DropoutBf16x8Args>();
        visitor.Visit<PointwiseBf16x8<Plus>, PointwiseBf16x8Args>();
        visitor.Visit<PointwiseBf16x8<Times>, PointwiseBf16x8Args>();
        visitor.Visit<PointwiseBf16x8<Scaled>, PointwiseBf16x8Args>();
        visitor.Visit<ScaleByDeviceBf16x8, PointwiseBf16x8Args>();
        visitor.Visit<CastToFloatBf16x8, CastBf16x8Args>();
        visitor.Visit<CastFromFloatBf16x8, CastBf16x8Args>();
        visitor.Visit<RopeBf16x8, RopeBf16x8Args>();
        visitor.Visit<CopyColumnsBf16x8, CopyColumnsBf16x8Args>();
        visitor.Visit<CrossEntropyRowsBf16x8, CrossEntropyBf16x8Args>();
        visitor.Visit<AttentionDeltaBf16x8, AttentionDeltaBf16x8Args>();
        visitor.Visit<AttentionSplitsBf16x8, AttentionSplitsBf16x8Args>();
        visitor.Visit<SkinnyGemmReduction, SkinnyGemmReductionArgs>();
        VectorizedWeights<Bf16x8>(visitor);
        VectorizedWeights<Float4x2>(visitor);
    }

    private static void VectorizedWeights<TWeight>(IKernelVisitor visitor) where TWeight : unmanaged, IVector8<TWeight>
    {
        visitor.Visit<RmsForwardBf16x8<TWeight>, RmsBf16x8Args<TWeight>>();
        visitor.Visit<RmsBackwardBf16x8<TWeight>, RmsBf16x8Args<TWeight>>();
        visitor.Visit<LayerForwardBf16x8<TWeight>, LayerBf16x8Args<TWeight>>();
        visitor.Visit<LayerBackwardBf16x8<TWeight>, LayerBf16x8Args<TWeight>>();
        visitor.Visit<GatherBf16x8<TWeight>, GatherBf16x8Args<TWeight>>();
        visitor.Visit<AddRowBf16x8<TWeight>, AddRowBf16x8Args<TWeight>>();
    }

    private static void Unaligned<TElement>(IKernelVisitor visitor) where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<CrossEntropyRows<TElement>, CrossEntropyArgs<TElement>>();
        visitor.Visit<PadRows<TElement>, PadRowsArgs<TElement>>();
    }

    private static void Rows<TElement>(IKernelVisitor visitor) where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<MultiplyRow<TElement>, RowWiseArgs<TElement, float>>();
        visitor.Visit<MultiplyColumn<TElement>, RowWiseArgs<TElement, float>>();
        visitor.Visit<AddRow<TElement, Float32>, RowWiseArgs<TElement, Float32>>();
        visitor.Visit<AddRow<TElement, BFloat16>, RowWiseArgs<TElement, BFloat16>>();
        visitor.Visit<AddRow<TElement, Float16>, RowWiseArgs<TElement, Float16>>();
        visitor.Visit<CopyColumns<TElement>, CopyColumnsArgs<TElement>>();
        visitor.Visit<ColumnSums<TElement, EntryTerm<TElement>>, ColumnSumArgs<TElement>>();
        visitor.Visit<ColumnSums<TElement, ProductTerm<TElement>>, ColumnSumArgs<TElement>>();
        visitor.Visit<ColumnSums<TElement, RmsTerm<TElement>>, ColumnSumArgs<TElement>>();
        visitor.Visit<ColumnSums<TElement, LayerTerm<TElement>>, ColumnSumArgs<TElement>>();
    }

    private static void Structured(IKernelVisitor visitor)
    {
        visitor.Visit<Batched, BatchedArgs>();
        visitor.Visit<Inverse, InverseArgs>();
        visitor.Visit<TopKForward, TopKArgs>();
        visitor.Visit<SparseForward, SparseArgs>();
        visitor.Visit<SparseEntries, SparseArgs>();
    }

    private static void Experts<TBlock>(IKernelVisitor visitor) where TBlock : struct, IBlockShape
    {
        visitor.Visit<Portable.Experts.ExpertChoice, ExpertChoiceArgs>();
        visitor.Visit<Portable.Experts.TakeColumns, TakeColumnsArgs>();
        visitor.Visit<PutColumns, TakeColumnsArgs>();
        visitor.Visit<ExpertCounts, ExpertSortArgs>();
        visitor.Visit<ExpertTotals, ExpertSortArgs>();
        visitor.Visit<ExpertOffsets, ExpertSortArgs>();
        visitor.Visit<ExpertPlaces, ExpertSortArgs>();
        visitor.Visit<DispatchRowsBf16x8, ExpertRowsBf16x8Args>();
        visitor.Visit<CombineRowsBf16x8, ExpertRowsBf16x8Args>();
        visitor.Visit<RaggedGradient<Float32, TBlock>, RaggedGradientArgs<Float32>>();
        visitor.Visit<RaggedGradient<BFloat16, TBlock>, RaggedGradientArgs<BFloat16>>();
    }

    private static void ExpertElements<TElement>(IKernelVisitor visitor) where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<DispatchRows<TElement>, ExpertRowsArgs<TElement>>();
        visitor.Visit<CombineRows<TElement>, ExpertRowsArgs<TElement>>();
        ExpertGlu<Glu<Silu>, TElement>(visitor);
        ExpertGlu<Glu<Gelu>, TElement>(visitor);
        ExpertGlu<ClampedSwiglu, TElement>(visitor);
    }

    private static void ExpertGlu<TGlu, TElement>(IKernelVisitor visitor)
        where TGlu : struct, IGluFormula
        where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<RoutedGlu<TGlu, TElement>, RoutedGluArgs<TElement>>();
        visitor.Visit<RoutedGluGradient<TGlu, TElement>, RoutedGluArgs<TElement>>();
    }

    private static void LinearAttention(IKernelVisitor visitor)
    {
        visitor.Visit<ConvolutionForward, ConvolutionArgs>();
        visitor.Visit<ConvolutionInput, ConvolutionArgs>();
        visitor.Visit<ConvolutionTaps, ConvolutionArgs>();
        visitor.Visit<DeltaForward, DeltaArgs>();
        visitor.Visit<DeltaBackward, DeltaArgs>();
    }

    private static void Vision(IKernelVisitor visitor)
    {
        visitor.Visit<ExtractPatches, PatchArgs>();
        visitor.Visit<PlacePatches, PatchArgs>();
    }

    private static void Convolutions<TElement>(IKernelVisitor visitor) where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<PackPatches<TElement>, PackingArgs<TElement>>();
        visitor.Visit<UnpackPatches<TElement>, PackingArgs<TElement>>();
        visitor.Visit<WeightChannelsLast<TElement>, WeightChannelsLastArgs<TElement>>();
        visitor.Visit<GroupNormSum<TElement>, GroupNormArgs<TElement>>();
        visitor.Visit<GroupNormSquares<TElement>, GroupNormArgs<TElement>>();
        visitor.Visit<GroupNormForward<TElement>, GroupNormArgs<TElement>>();
        visitor.Visit<GroupNormDots<TElement>, GroupNormArgs<TElement>>();
        visitor.Visit<GroupNormBackward<TElement>, GroupNormArgs<TElement>>();
        visitor.Visit<GroupNormWeight<TElement>, GroupNormArgs<TElement>>();
    }

    private static void Elements<TElement>(IKernelVisitor visitor) where TElement : unmanaged, IElement<TElement>
    {
        visitor.Visit<CastToFloat<TElement>, CastArgs<TElement>>();
        visitor.Visit<CastFromFloat<TElement>, CastArgs<TElement>>();
        visitor.Visit<Gather<TElement>, GatherArgs<TElement>>();
        visitor.Visit<GatherRelative<TElement>, GatherRelativeArgs<TElement>>();
        visitor.Visit<GatherRelativeGradient<TElement>, GatherRelativeArgs<TElement>>();
        visitor.Visit<RmsForward<TElement>, RmsArgs<TElement>>();
        visitor.Visit<RmsBackward<TElement>, RmsArgs<TElement>>();
        visitor.Visit<LayerForward<TElement>, LayerArgs<TElement>>();
        visitor.Visit<LayerBackward<TElement>, LayerArgs<TElement>>();
    }

    private static void Attention<TElement, TBlock>(IKernelVisitor visitor)
        where TElement : unmanaged, IElement<TElement>
        where TBlock : struct, IBlockShape
    {
        visitor.Visit<AttentionDelta<TElement>, AttentionArgs<TElement>>();
        visitor.Visit<AttentionBiasGradient<TElement>, AttentionArgs<TElement>>();
        visitor.Visit<AttentionForward<TBlock, TElement>, AttentionArgs<TElement>>();
        visitor.Visit<AttentionKeyGradient<TBlock, TElement>, AttentionArgs<TElement>>();
        visitor.Visit<AttentionQueryGradient<TBlock, TElement>, AttentionArgs<TElement>>();
    }

    private static void Product<TB, TBlock>(IKernelVisitor visitor)
        where TB : unmanaged, IElement<TB>
        where TBlock : struct, IBlockShape
    {
        visitor.Visit<Gemm<Float32, TB, TBlock>, GemmArgs<Float32, TB>>();
        visitor.Visit<Gemm<BFloat16, TB, TBlock>, GemmArgs<BFloat16, TB>>();
        visitor.Visit<Gemm<Float16, TB, TBlock>, GemmArgs<Float16, TB>>();
        visitor.Visit<RaggedGemm<Float32, TB, TBlock>, RaggedGemmArgs<Float32, TB>>();
        visitor.Visit<RaggedGemm<BFloat16, TB, TBlock>, RaggedGemmArgs<BFloat16, TB>>();
    }
}
