namespace PeftCore.Kernels;

/// <summary>Heads as they are stored, F32 or BF16: keys and values that may have been put aside in half the bytes.</summary>
internal readonly unsafe struct KeyValueHeads(byte* data, ElementType type, HeadLayout layout)
{
    private readonly byte* _data = data;

    public ElementType Type => type;

    public int Stride => layout.RowStride;

    /// <summary>Bytes from one token to the next.</summary>
    public nint RowBytes => (nint)layout.RowStride * Elements.Size(type);

    public byte* At(long token, int head) =>
        _data + (((token * layout.RowStride) + layout.Offset + ((long)head * layout.HeadStride)) * Elements.Size(type));

    /// <summary>Tokens as columns of B, dimensions as steps, in F32; see <see cref="AttentionPacking"/>.</summary>
    public void PackTransposed<TTile>(long token, int head, int tokens, int dim, float* strips)
        where TTile : struct, ITile
    {
        if (type == ElementType.F32)
        {
            AttentionPacking.PackTransposed<TTile, Float32Element>(At(token, head), Stride, tokens, dim, strips);
        }
        else
        {
            AttentionPacking.PackTransposed<TTile, BFloat16Element>(At(token, head), Stride, tokens, dim, strips);
        }
    }

    /// <summary>Dimensions as columns of B, tokens as steps, in F32.</summary>
    public void Pack<TTile>(long token, int head, int tokens, int dim, float* strips)
        where TTile : struct, ITile
    {
        if (type == ElementType.F32)
        {
            AttentionPacking.Pack<TTile, Float32Element>(At(token, head), Stride, tokens, dim, strips);
        }
        else
        {
            AttentionPacking.Pack<TTile, BFloat16Element>(At(token, head), Stride, tokens, dim, strips);
        }
    }
}
