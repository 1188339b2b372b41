using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>The kernels that treat many parameters in one launch.</summary>
internal static partial class KernelCatalog
{
    private static void MultiTensor(IKernelVisitor visitor)
    {
        visitor.Visit<MultiTensorAdam, MultiTensorArgs<TensorSlot<AdamFactors>>>();
        visitor.Visit<MultiTensorSum<SquareTerm>, MultiTensorArgs<TensorSlot<AdamFactors>>>();
        visitor.Visit<MultiTensorSum<FiniteTerm>, MultiTensorArgs<TensorSlot<AdamFactors>>>();
        visitor.Visit<MultiTensorLion, MultiTensorArgs<TensorSlot<LionFactors>>>();
        visitor.Visit<MultiTensorBlockwiseAdam, MultiTensorArgs<BlockwiseSlot>>();
        visitor.Visit<MultiTensorSmallBlockwiseAdam, MultiTensorArgs<TensorSlot<BlockwiseAdamFactors>>>();
        visitor.Visit<AdafactorRows, MultiTensorArgs<AdafactorSlot>>();
        visitor.Visit<AdafactorColumns, MultiTensorArgs<AdafactorSlot>>();
        visitor.Visit<AdafactorMeans, MultiTensorArgs<AdafactorSlot>>();
        visitor.Visit<AdafactorSquares, MultiTensorArgs<AdafactorSlot>>();
        visitor.Visit<AdafactorStepSize, MultiTensorArgs<AdafactorSlot>>();
        visitor.Visit<AdafactorUpdate, MultiTensorArgs<AdafactorSlot>>();
    }
}
