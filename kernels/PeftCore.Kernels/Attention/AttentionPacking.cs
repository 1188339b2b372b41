using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Packs heads (tokens × dimensions) for tiles: as panels of A or strips of B.</summary>
internal static unsafe class AttentionPacking
{
    /// <summary>Packs tokens as rows of A, dimensions as steps. The panel of token t starts at t·dim.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackRows<TTile>(float* x, int stride, int tokens, int dim, float* panels)
        where TTile : struct, ITile
    {
        for (int t = 0; t < tokens; t += TTile.Rows)
        {
            Packing.Transpose<Float32Element>(
                (byte*)(x + ((nint)t * stride)), stride, Math.Min(TTile.Rows, tokens - t), TTile.Rows, dim, panels + ((nint)t * dim));
        }
    }

    /// <summary>Packs tokens as columns of B, dimensions as steps. The strip of token t starts at t·dim.</summary>
    public static void PackTransposed<TTile>(float* x, int stride, int tokens, int dim, float* strips)
        where TTile : struct, ITile => PackTransposed<TTile, Float32Element>((byte*)x, stride, tokens, dim, strips);

    /// <summary>Packs from any element type.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackTransposed<TTile, TElement>(byte* x, int stride, int tokens, int dim, float* strips)
        where TTile : struct, ITile
        where TElement : struct, IElement
    {
        for (int t = 0; t < tokens; t += TTile.Columns)
        {
            Packing.Transpose<TElement>(
                x + ((nint)t * stride * TElement.Size), stride, Math.Min(TTile.Columns, tokens - t), TTile.Columns, dim, strips +
                ((nint)t * dim));
        }
    }

    /// <summary>Packs dimensions as columns of B, tokens as steps. The strip of dimension d starts at d·tokens.</summary>
    public static void Pack<TTile>(float* x, int stride, int tokens, int dim, float* strips)
        where TTile : struct, ITile => Pack<TTile, Float32Element>((byte*)x, stride, tokens, dim, strips);

    /// <summary>Packs from any element type.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack<TTile, TElement>(byte* x, int stride, int tokens, int dim, float* strips)
        where TTile : struct, ITile
        where TElement : struct, IElement
    {
        for (int d = 0; d < dim; d += TTile.Columns)
        {
            Packing.Copy<TElement>(x + (d * TElement.Size), stride, Math.Min(TTile.Columns, dim - d), TTile.Columns, tokens, strips +
                ((nint)d * tokens));
        }
    }

    /// <summary>products[r·width + key] = scale·(row r of the panel)·key, for the strips that contain keys from … to−1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Products<TTile>(
        float* panel, int rows, float* strips, int dim, int from, int to, float scale, float* products, int width)
        where TTile : struct, ITile
    {
        for (int key = from / TTile.Columns * TTile.Columns; key < to; key += TTile.Columns)
        {
            TTile.Run<Float32Element>(
                rows, dim, panel, TTile.Rows, (byte*)(strips + ((nint)key * dim)), TTile.Columns, products + key, width, scale, false);
        }
    }
}
