using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

/// <summary>Arguments of every portable attention kernel.</summary>
internal struct AttentionArgs<TElement> where TElement : unmanaged, IElement<TElement>
{
    public HeadsView<TElement> Q, K, V, O, DOut, DQ, DK, DV;
    public ArrayView<float> Lse, Delta, Slopes, Bias, DBias, Sinks;
    public ArrayView<int> Ranges;
    public int Batch, Queries, Keys, Heads, KeyHeads, Dim, ValueDim;
    public int HasRanges, HasSlopes, HasBias, HasSinks;

    /// <summary>See <see cref="BiasStrides"/>.</summary>
    public long BiasBatch, BiasHead;
    public int HasDK, HasDV, AddDQ, AddDK, AddDV;
    public float Scale, SoftCap;

    /// <summary>See <see cref="AttentionDropout"/>; probability 0 for no dropout.</summary>
    public float DropProbability, KeptScale;
    public ulong Seed, Stream;

    /// <summary>See <see cref="DropoutStream"/>.</summary>
    public ArrayView<ulong> Passes;

    /// <summary>Tiles along the rows (queries, or keys for their gradient), and chunks of the head dimension.</summary>
    public int Tiles, Chunks;
}

/// <summary>A score and its derivative.</summary>
internal struct Score
{
    /// <summary>The score; −∞ where the query does not see the key.</summary>
    public float Value;

    /// <summary>d score / d (scale·q·k).</summary>
    public float Slope;
}

/// <summary>Scores with mask, soft cap, ALiBi slope and bias, as in the CPU's attention.</summary>
internal static class Scores
{
    /// <summary>The first key that a query attends to.</summary>
    public static int From<TElement>(AttentionArgs<TElement> args, int b, int i)
        where TElement : unmanaged, IElement<TElement> =>
        Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, i);

    /// <summary>One past the last key that a query attends to.</summary>
    public static int To<TElement>(AttentionArgs<TElement> args, int b, int i)
        where TElement : unmanaged, IElement<TElement> =>
        Mask.To(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, i);

    /// <summary>The score of query i and key j from the product q·k; the query attends to keys from ≤ j &lt; to.</summary>
    public static Score Of<TElement>(AttentionArgs<TElement> args, float product, int b, int h, int i, int j, int from, int to)
        where TElement : unmanaged, IElement<TElement>
    {
        Score score = default;
        score.Value = float.NegativeInfinity;
        if (j >= from && j < to)
        {
            float s = args.Scale * product, slope = 1f;
            if (args.SoftCap != 0)
            {
                float tanh = Tanh.Forward(s / args.SoftCap);
                s = args.SoftCap * tanh;
                slope = 1f - (tanh * tanh);
            }

            if (args.HasSlopes != 0)
            {
                s += args.Slopes[h] * (j - (i + args.Keys - args.Queries));
            }

            if (args.HasBias != 0)
            {
                s += args.Bias[(b * args.BiasBatch) + (h * args.BiasHead) + ((long)i * args.Keys) + j];
            }

            score.Value = s;
            score.Slope = slope;
        }

        return score;
    }

    /// <summary>The factor by which dropout multiplies the probability of query i and key j: 0 or 1/(1 − p).</summary>
    public static float Kept<TElement>(AttentionArgs<TElement> args, int b, int h, int i, int j)
        where TElement : unmanaged, IElement<TElement>
    {
        float factor = 1f;
        if (args.DropProbability > 0)
        {
            ulong first = AttentionDropout.RowStart(((((long)b * args.Heads) + h) * args.Queries) + i, args.Keys);
            ulong stream = DropoutStream.At(args.Stream, args.Passes);
            factor = Philox.Uniform(args.Seed, stream, first + (ulong)j) >= args.DropProbability ? args.KeptScale : 0f;
        }

        return factor;
    }
}

/// <summary>Loads, products and stores of panels of heads in shared memory.</summary>
internal static class HeadPanel
{
    /// <summary>shared(p, r) = head element d0 + p of token first + r: the head dimension becomes the summed one.</summary>
    public static void LoadTransposed<TBlock, TElement>(ArrayView<float> shared, HeadsView<TElement> heads, int b, int tokens, int first,
        int head, int d0, int dim)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tile = 4 * TBlock.Side;
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int p = e % Panel.Depth, r = e / Panel.Depth;
            float value = 0;
            if (first + r < tokens && d0 + p < dim)
            {
                value = TElement.ToFloat(heads.Data[heads.At(((long)b * tokens) + first + r, head) + d0 + p]);
            }

            shared[(p * Panel.Stride) + r] = value;
        }
    }

    /// <summary>shared(p, c) = head element d0 + c of token first + p: the tokens become the summed dimension.</summary>
    public static void Load<TBlock, TElement>(ArrayView<float> shared, HeadsView<TElement> heads, int b, int tokens, int first, int head,
        int d0, int dim)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tile = 4 * TBlock.Side;
        for (int e = Group.IdxX; e < Panel.Depth * tile; e += TBlock.Side * TBlock.Side)
        {
            int c = e % tile, p = e / tile;
            float value = 0;
            if (first + p < tokens && d0 + c < dim)
            {
                value = TElement.ToFloat(heads.Data[heads.At(((long)b * tokens) + first + p, head) + d0 + c]);
            }

            shared[(p * Panel.Stride) + c] = value;
        }
    }

    /// <summary>a(r, ·)·b(c, ·) over the whole head dimension: a's tokens down the thread tile's rows, b's along its columns.</summary>
    public static Tile4 Products<TBlock, TElement>(
        ArrayView<float> sharedA, ArrayView<float> sharedB, int dim, int b,
        HeadsView<TElement> rows, int rowTokens, int firstRow, int rowHead, HeadsView<TElement> columns, int columnTokens, int firstColumn,
        int columnHead)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tx = Group.IdxX % TBlock.Side, ty = Group.IdxX / TBlock.Side;
        Tile4 sum = default;
        for (int d = 0; d < dim; d += Panel.Depth)
        {
            LoadTransposed<TBlock, TElement>(sharedA, rows, b, rowTokens, firstRow, rowHead, d, dim);
            LoadTransposed<TBlock, TElement>(sharedB, columns, b, columnTokens, firstColumn, columnHead, d, dim);
            Group.Barrier();
            sum = Panel.Multiply<TBlock>(sum, sharedA.Cast<Float4>(), ty, sharedB.Cast<Float4>(), tx);
            Group.Barrier();
        }

        return sum;
    }

    /// <summary>sum + weightsᵀ·heads: weights(p, r) are in shared memory, p is a token of the tile, columns are a chunk of the
    /// head.</summary>
    public static Tile4 Combine<TBlock, TElement>(
        Tile4 sum, ArrayView<float> weights, ArrayView<float> sharedB, HeadsView<TElement> heads, int b, int tokens, int first, int head,
        int d0, int dim)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tx = Group.IdxX % TBlock.Side, ty = Group.IdxX / TBlock.Side;
        for (int p = 0; p < 4 * TBlock.Side; p += Panel.Depth)
        {
            Load<TBlock, TElement>(sharedB, heads, b, tokens, first + p, head, d0, dim);
            Group.Barrier();
            sum = Panel.Multiply<TBlock>(sum, weights.SubView(p * Panel.Stride, Panel.Elements).Cast<Float4>(), ty, sharedB.Cast<Float4>(),
                tx);
            Group.Barrier();
        }

        return sum;
    }

    /// <summary>heads(first + 4·ty + i, d0 + 4·tx + j) (+)= tile(i, j).</summary>
    public static void Store<TBlock, TElement>(HeadsView<TElement> heads, int b, int tokens, int first, int head, int d0, int dim,
        Tile4 tile, int accumulate)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tx = Group.IdxX % TBlock.Side, ty = Group.IdxX / TBlock.Side;
        StoreRow(heads, b, tokens, first + (4 * ty), head, d0 + (4 * tx), dim, tile.R0, accumulate);
        StoreRow(heads, b, tokens, first + (4 * ty) + 1, head, d0 + (4 * tx), dim, tile.R1, accumulate);
        StoreRow(heads, b, tokens, first + (4 * ty) + 2, head, d0 + (4 * tx), dim, tile.R2, accumulate);
        StoreRow(heads, b, tokens, first + (4 * ty) + 3, head, d0 + (4 * tx), dim, tile.R3, accumulate);
    }

    private static void StoreRow<TElement>(HeadsView<TElement> heads, int b, int tokens, int token, int head, int d, int dim, Float4 x,
        int accumulate)
        where TElement : unmanaged, IElement<TElement>
    {
        if (token < tokens)
        {
            long at = heads.At(((long)b * tokens) + token, head);
            StoreOne(heads, at, d, dim, x.X, accumulate);
            StoreOne(heads, at, d + 1, dim, x.Y, accumulate);
            StoreOne(heads, at, d + 2, dim, x.Z, accumulate);
            StoreOne(heads, at, d + 3, dim, x.W, accumulate);
        }
    }

    private static void StoreOne<TElement>(HeadsView<TElement> heads, long at, int d, int dim, float x, int accumulate)
        where TElement : unmanaged, IElement<TElement>
    {
        if (d < dim)
        {
            heads.Data[at + d] = TElement.FromFloat(accumulate != 0 ? TElement.ToFloat(heads.Data[at + d]) + x : x);
        }
    }
}
