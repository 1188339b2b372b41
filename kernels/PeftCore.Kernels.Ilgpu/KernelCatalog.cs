using ILGPU;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;
using PeftCore.Kernels.Ilgpu.Portable.Attention;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Something done with each kernel, as compiling it.</summary>
internal interface IKernelVisitor
{
    void Visit<TKernel, TArgs>()
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct;
}

/// <summary>Every portable kernel there is, in the forms a backend asks for.</summary>
internal static class KernelCatalog
{
    /// <summary>Shows a visitor all kernels for groups of one size.</summary>
    public static void Visit<TSide>(IKernelVisitor visitor) where TSide : struct, IThreadSide
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
        Plain(visitor);
        Many(visitor);
        Eights(visitor);
        Stored<Single32>(visitor);
        Stored<Brain16>(visitor);
        Stored<Half16>(visitor);
        Attention<Single32, TSide>(visitor);
        Attention<Brain16, TSide>(visitor);
        Product<Single32, TSide>(visitor);
        Product<Brain16, TSide>(visitor);
        Product<Half16, TSide>(visitor);
    }

    /// <summary>Shows a visitor Hopper's attention kernels.</summary>
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
        visitor.Visit<FlashForward<TDim>, FlashArgs<ArrayView<int>>>();
        visitor.Visit<FlashQueryGradient<TDim>, FlashArgs<ArrayView<int>>>();
    }

    private static void FlashKeys<TDim>(IKernelVisitor visitor) where TDim : struct, IFlashKeys =>
        visitor.Visit<FlashKeyGradient<TDim>, FlashArgs<ArrayView<int>>>();

    private static void Formula<TFormula>(IKernelVisitor visitor) where TFormula : struct, IUnaryFormula
    {
        visitor.Visit<Pointwise<ValueOf<TFormula>>, PointwiseArgs>();
        visitor.Visit<Pointwise<SlopeOf<TFormula>>, PointwiseArgs>();
        visitor.Visit<Pointwise<GateOf<TFormula>>, PointwiseArgs>();
        visitor.Visit<GatedGradient<TFormula>, GatedGradientArgs>();
        visitor.Visit<Pointwise8<ValueOf<TFormula>>, Pointwise8Args>();
        visitor.Visit<Pointwise8<SlopeOf<TFormula>>, Pointwise8Args>();
        visitor.Visit<Pointwise8<GateOf<TFormula>>, Pointwise8Args>();
        visitor.Visit<GatedGradient8<TFormula>, GatedGradient8Args>();
    }

    private static void Plain(IKernelVisitor visitor)
    {
        visitor.Visit<Pointwise<Plus>, PointwiseArgs>();
        visitor.Visit<Pointwise<Times>, PointwiseArgs>();
        visitor.Visit<Pointwise<Scaled>, PointwiseArgs>();
        visitor.Visit<ScaleByDevice, PointwiseArgs>();
        visitor.Visit<Dropout, DropoutArgs>();
        visitor.Visit<SgdStep, SgdArgs>();
        visitor.Visit<MultiplyRow, RowWiseArgs<float>>();
        visitor.Visit<MultiplyColumn, RowWiseArgs<float>>();
        visitor.Visit<CopyColumns, CopyColumnsArgs>();
        visitor.Visit<ScatterAdd, ScatterAddArgs>();
        visitor.Visit<ColumnSums<EntryTerm>, ColumnSumArgs>();
        visitor.Visit<ColumnSums<ProductTerm>, ColumnSumArgs>();
        visitor.Visit<ColumnSums<RmsTerm>, ColumnSumArgs>();
        visitor.Visit<ColumnSums<LayerTerm>, ColumnSumArgs>();
        visitor.Visit<RowDots, RowDotsArgs>();
        visitor.Visit<SoftmaxForward, SoftmaxArgs>();
        visitor.Visit<SoftmaxBackward, SoftmaxArgs>();
        Unaligned<Single32>(visitor);
        Unaligned<Brain16>(visitor);
        visitor.Visit<Portable.Rows.Rope, RopeArgs>();
        visitor.Visit<SumPartials, SumPartialsArgs>();
        Structured(visitor);
    }

    private static void Many(IKernelVisitor visitor)
    {
        visitor.Visit<AdamMany, ManyTensorsArgs>();
        visitor.Visit<SumMany<SquareTerm>, ManyTensorsArgs>();
        visitor.Visit<SumMany<FiniteTerm>, ManyTensorsArgs>();
    }

    private static void Eights(IKernelVisitor visitor)
    {
        visitor.Visit<Pointwise8<Plus>, Pointwise8Args>();
        visitor.Visit<Pointwise8<Times>, Pointwise8Args>();
        visitor.Visit<Pointwise8<Scaled>, Pointwise8Args>();
        visitor.Visit<ScaleByDevice8, Pointwise8Args>();
        visitor.Visit<Widen8, Cast8Args>();
        visitor.Visit<Narrow8, Cast8Args>();
        visitor.Visit<Rope8, Rope8Args>();
        visitor.Visit<CrossEntropyRows8, CrossEntropy8Args>();
        visitor.Visit<AttentionDelta8, AttentionDelta8Args>();
        visitor.Visit<AttentionShares8, AttentionShares8Args>();
        visitor.Visit<SkinnyGemmReduction, SkinnyGemmReductionArgs>();
        PackedWeights<Eight>(visitor);
        PackedWeights<Wide8>(visitor);
    }

    private static void PackedWeights<TWeight>(IKernelVisitor visitor) where TWeight : unmanaged, IPacked<TWeight>
    {
        visitor.Visit<RmsForward8<TWeight>, Rms8Args<TWeight>>();
        visitor.Visit<RmsBackward8<TWeight>, Rms8Args<TWeight>>();
        visitor.Visit<LayerForward8<TWeight>, Layer8Args<TWeight>>();
        visitor.Visit<LayerBackward8<TWeight>, Layer8Args<TWeight>>();
        visitor.Visit<Gather8<TWeight>, Gather8Args<TWeight>>();
        visitor.Visit<AddRow8<TWeight>, AddRow8Args<TWeight>>();
    }

    private static void Unaligned<TStored>(IKernelVisitor visitor) where TStored : unmanaged, IStored<TStored>
    {
        visitor.Visit<CrossEntropyRows<TStored>, CrossEntropyArgs<TStored>>();
        visitor.Visit<PadRows<TStored>, PadRowsArgs<TStored>>();
    }

    private static void Structured(IKernelVisitor visitor)
    {
        visitor.Visit<Batched, BatchedArgs>();
        visitor.Visit<Inverse, InverseArgs>();
        visitor.Visit<TopKForward, TopKArgs>();
        visitor.Visit<SparseForward, SparseArgs>();
        visitor.Visit<SparseEntries, SparseArgs>();
    }

    private static void Stored<TStored>(IKernelVisitor visitor) where TStored : unmanaged, IStored<TStored>
    {
        visitor.Visit<Widen<TStored>, CastArgs<TStored>>();
        visitor.Visit<Narrow<TStored>, CastArgs<TStored>>();
        visitor.Visit<AddRow<TStored>, RowWiseArgs<TStored>>();
        visitor.Visit<Gather<TStored>, GatherArgs<TStored>>();
        visitor.Visit<RmsForward<TStored>, RmsArgs<TStored>>();
        visitor.Visit<RmsBackward<TStored>, RmsArgs<TStored>>();
        visitor.Visit<LayerForward<TStored>, LayerArgs<TStored>>();
        visitor.Visit<LayerBackward<TStored>, LayerArgs<TStored>>();
    }

    private static void Attention<TStored, TSide>(IKernelVisitor visitor)
        where TStored : unmanaged, IStored<TStored>
        where TSide : struct, IThreadSide
    {
        visitor.Visit<AttentionDelta<TStored>, AttentionArgs<TStored>>();
        visitor.Visit<AttentionBiasGradient<TStored>, AttentionArgs<TStored>>();
        visitor.Visit<AttentionForward<TSide, TStored>, AttentionArgs<TStored>>();
        visitor.Visit<AttentionKeyGradient<TSide, TStored>, AttentionArgs<TStored>>();
        visitor.Visit<AttentionQueryGradient<TSide, TStored>, AttentionArgs<TStored>>();
    }

    private static void Product<TB, TSide>(IKernelVisitor visitor)
        where TB : unmanaged, IStored<TB>
        where TSide : struct, IThreadSide
    {
        visitor.Visit<Gemm<Single32, TB, TSide>, GemmArgs<Single32, TB>>();
        visitor.Visit<Gemm<Brain16, TB, TSide>, GemmArgs<Brain16, TB>>();
        visitor.Visit<Gemm<Half16, TB, TSide>, GemmArgs<Half16, TB>>();
    }
}
