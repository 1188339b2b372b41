using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>A strided view of attention heads inside a projection (see <see cref="HeadLayout"/>).</summary>
internal struct HeadsView<TElement> where TElement : unmanaged, IElement<TElement>
{
    public ArrayView<TElement> Data;
    public int RowStride, Offset, HeadStride;

    /// <summary>Index of the first element of one head of one token.</summary>
    public readonly long At(long token, int head) => (token * RowStride) + Offset + ((long)head * HeadStride);
}
