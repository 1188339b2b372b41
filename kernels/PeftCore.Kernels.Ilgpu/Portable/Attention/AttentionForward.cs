using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

/// <summary>Attention by tiles with an online softmax (Dao et al. 2022, FlashAttention): a thread block takes a tile of queries of one head
/// and one chunk of the head dimension, iterates over the keys, and stores only a tile of scores, transposed, key by query, as the product
/// with V reads them.</summary>
internal readonly struct AttentionForward<TBlock, TElement> : IKernel<AttentionArgs<TElement>>
    where TBlock : struct, IBlockShape
    where TElement : unmanaged, IElement<TElement>
{
    private const int Tile = 64;

    public static void Run(AttentionArgs<TElement> args)
    {
        ArrayView<float> sharedA = SharedMemory.Allocate<float>(Panel.Elements), sharedB = SharedMemory.Allocate<float>(Panel.Elements);
        var weights = SharedMemory.Allocate<float>(Tile * Panel.Stride);
        ArrayView<float> max = SharedMemory.Allocate<float>(Tile), sum = SharedMemory.Allocate<float>(Tile);
        ArrayView<float> correction = SharedMemory.Allocate<float>(Tile), part = SharedMemory.Allocate<float>(Threads.Most);
        ArrayView<int> from = SharedMemory.Allocate<int>(Tile), to = SharedMemory.Allocate<int>(Tile);
        int tile = 4 * TBlock.Side, t = Group.IdxX, ty = t / TBlock.Side;

        int item = Grid.IdxX, chunk = item % args.Chunks;
        item /= args.Chunks;
        int query = item % args.Tiles * tile;
        item /= args.Tiles;
        int h = item % args.Heads, b = item / args.Heads, keyHead = h / (args.Heads / args.KeyHeads), d0 = chunk * tile;

        if (t < tile)
        {
            from[t] = Scores.From(args, b, query + t);
            to[t] = Scores.To(args, b, query + t);
            max[t] = float.NegativeInfinity;
            sum[t] = 0;
        }

        Group.Barrier();
        int first = args.Keys, last = 0;
        for (int r = 0; r < tile; r++)
        {
            first = from[r] < first ? from[r] : first;
            last = to[r] > last ? to[r] : last;
        }

        Tile4 output = default;
        for (int key = first / tile * tile; key < last; key += tile)
        {
            var s = HeadPanel.Products<TBlock, TElement>(
                sharedA, sharedB, args.Dim, b, args.K, args.Keys, key, keyHead, args.Q, args.Queries, query, h);
            Write(args, weights, s, b, h, query, key, from, to);
            Group.Barrier();
            Normalize(args, weights, max, sum, correction, part, b, h, query, key);
            output = Tile4.ScaleRows(output, correction.Cast<Float4>()[ty]);
            output = HeadPanel.Combine<TBlock, TElement>(output, weights, sharedB, args.V, b, args.Keys, key, keyHead, d0,
                args.ValueDim);
        }

        if (t < tile && query + t < args.Queries)
        {
            float denominator = sum[t], largest = max[t], rescale = 1f;
            if (args.HasSinks != 0 && args.Sinks[h] > float.NegativeInfinity)
            {
                float sink = args.Sinks[h], highest = sink > largest ? sink : largest;
                rescale = largest > float.NegativeInfinity ? MathF.Exp(largest - highest) : 0f;
                denominator = (denominator * rescale) + MathF.Exp(sink - highest);
                largest = highest;
            }

            correction[t] = denominator > 0 ? rescale / denominator : 0f;
            if (chunk == 0)
            {
                args.Lse[((((long)b * args.Heads) + h) * args.Queries) + query + t] =
                    denominator > 0 ? largest + MathF.Log(denominator) : float.NegativeInfinity;
            }
        }

        Group.Barrier();
        output = Tile4.ScaleRows(output, correction.Cast<Float4>()[ty]);
        HeadPanel.Store<TBlock, TElement>(args.O, b, args.Queries, query, h, d0, args.ValueDim, output, 0);
    }

    // Rows of the thread's tile are keys, columns queries.
    private static void Write(AttentionArgs<TElement> args, ArrayView<float> weights, Tile4 s, int b, int h, int query, int key,
        ArrayView<int> from, ArrayView<int> to)
    {
        int tx = Group.IdxX % TBlock.Side, ty = Group.IdxX / TBlock.Side;
        var four = weights.Cast<Float4>();
        int at = (4 * ty * (Panel.Stride / 4)) + tx;
        four[at] = Row(args, s.R0, b, h, query, 4 * tx, key + (4 * ty), from, to);
        four[at + (Panel.Stride / 4)] = Row(args, s.R1, b, h, query, 4 * tx, key + (4 * ty) + 1, from, to);
        four[at + (2 * (Panel.Stride / 4))] = Row(args, s.R2, b, h, query, 4 * tx, key + (4 * ty) + 2, from, to);
        four[at + (3 * (Panel.Stride / 4))] = Row(args, s.R3, b, h, query, 4 * tx, key + (4 * ty) + 3, from, to);
    }

    private static Float4 Row(AttentionArgs<TElement> args, Float4 s, int b, int h, int query, int i, int j, ArrayView<int> from,
        ArrayView<int> to)
    {
        s.X = Scores.Of(args, s.X, b, h, query + i, j, from[i], to[i]).Value;
        s.Y = Scores.Of(args, s.Y, b, h, query + i + 1, j, from[i + 1], to[i + 1]).Value;
        s.Z = Scores.Of(args, s.Z, b, h, query + i + 2, j, from[i + 2], to[i + 2]).Value;
        s.W = Scores.Of(args, s.W, b, h, query + i + 3, j, from[i + 3], to[i + 3]).Value;
        return s;
    }

    // So many threads (parts) share a query: each takes every parts-th key of the tile.
    private static void Normalize(AttentionArgs<TElement> args, ArrayView<float> weights, ArrayView<float> max, ArrayView<float> sum,
        ArrayView<float> correction, ArrayView<float> part, int b, int h, int query, int key)
    {
        int tile = 4 * TBlock.Side, parts = TBlock.Side / 4, t = Group.IdxX, i = t % tile, mine = t / tile;
        float largest = float.NegativeInfinity;
        for (int j = mine; j < tile; j += parts)
        {
            float s = weights[(j * Panel.Stride) + i];
            largest = s > largest ? s : largest;
        }

        part[t] = largest;
        Group.Barrier();
        largest = max[i];
        for (int k = 0; k < parts; k++)
        {
            float other = part[(k * tile) + i];
            largest = other > largest ? other : largest;
        }

        Group.Barrier();
        float total = 0;
        for (int j = mine; j < tile; j += parts)
        {
            float s = weights[(j * Panel.Stride) + i];
            float weight = s > float.NegativeInfinity ? MathF.Exp(s - largest) : 0f;
            // Dropout takes probabilities from the output, not from the denominator.
            weights[(j * Panel.Stride) + i] = weight * Scores.Kept(args, b, h, query + i, key + j);
            total += weight;
        }

        part[t] = total;
        Group.Barrier();
        if (mine == 0)
        {
            float before = max[i];
            float factor = before > float.NegativeInfinity ? MathF.Exp(before - largest) : 0f;
            total = 0;
            for (int k = 0; k < parts; k++)
            {
                total += part[(k * tile) + i];
            }

            correction[i] = factor;
            sum[i] = (sum[i] * factor) + total;
            max[i] = largest;
        }

        Group.Barrier();
    }
}
