namespace PeftCore.Kernels;

/// <summary>The heads of keys or values in F32 or, in a key-value cache, BF16.</summary>
internal readonly unsafe struct KeyValueHeads(byte* data, ElementType type, HeadLayout layout)
{
    private readonly byte* _data = data;

    public ElementType Type => type;

    public int Stride => layout.RowStride;

    /// <summary>Bytes from one token to the next.</summary>
    public nint RowBytes => (nint)layout.RowStride * Elements.Size(type);

    public byte* At(long token, int head) =>
        _data + (((token * layout.RowStride) + layout.Offset + ((long)head * layout.HeadStride)) * Elements.Size(type));

    /// <summary>Packs a head for q·kᵀ: tokens are columns of B, dimensions are steps; in F32. See
    /// <see cref="AttentionPacking"/>.</summary>
    public void PackTransposed<TTile>(long token, int head, int tokens, int dim, float* strips)
        where TTile : struct, ITile =>
        ElementDispatch.Run(type, new PackAction<TTile>(At(token, head), Stride, tokens, dim, strips, transpose: true));

    /// <summary>Packs a head for weights·v: dimensions are columns of B, tokens are steps; in F32.</summary>
    public void Pack<TTile>(long token, int head, int tokens, int dim, float* strips)
        where TTile : struct, ITile =>
        ElementDispatch.Run(type, new PackAction<TTile>(At(token, head), Stride, tokens, dim, strips, transpose: false));

    private readonly struct PackAction<TTile>(byte* x, int stride, int tokens, int dim, float* strips, bool transpose) : IElementAction
        where TTile : struct, ITile
    {
        private readonly byte* _x = x;
        private readonly float* _strips = strips;

        public void Run<TElement>()
            where TElement : struct, IElement
        {
            if (transpose)
            {
                AttentionPacking.PackTransposed<TTile, TElement>(_x, stride, tokens, dim, _strips);
            }
            else
            {
                AttentionPacking.Pack<TTile, TElement>(_x, stride, tokens, dim, _strips);
            }
        }
    }
}
