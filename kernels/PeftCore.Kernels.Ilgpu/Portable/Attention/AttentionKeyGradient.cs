using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

/// <summary>dV = Pᵀ·dO and dK = dSᵀ·Q: a thread block takes a tile of keys of one key head and one chunk of the head dimension, and
/// iterates over all queries of all heads that share the key head. Each element has one writer, so no atomics.</summary>
internal readonly struct AttentionKeyGradient<TBlock, TElement> : IKernel<AttentionArgs<TElement>>
    where TBlock : struct, IBlockShape
    where TElement : unmanaged, IElement<TElement>
{
    private const int Tile = 64;

    public static void Run(AttentionArgs<TElement> args)
    {
        ArrayView<float> sharedA = SharedMemory.Allocate<float>(Panel.Elements), sharedB = SharedMemory.Allocate<float>(Panel.Elements);
        var weights = SharedMemory.Allocate<float>(Tile * Panel.Stride);
        QueryTile queries = default;
        queries.From = SharedMemory.Allocate<int>(Tile);
        queries.To = SharedMemory.Allocate<int>(Tile);
        queries.Lse = SharedMemory.Allocate<float>(Tile);
        queries.Delta = SharedMemory.Allocate<float>(Tile);
        int tile = 4 * TBlock.Side;

        int item = Grid.IdxX, d0 = item % args.Chunks * tile;
        item /= args.Chunks;
        int key = item % args.Tiles * tile;
        item /= args.Tiles;
        int keyHead = item % args.KeyHeads, b = item / args.KeyHeads, group = args.Heads / args.KeyHeads;

        queries.Batch = b;
        Tile4 dK = default, dV = default;
        for (int h = keyHead * group; h < (keyHead + 1) * group; h++)
        {
            queries.Head = h;
            for (int query = 0; query < args.Queries; query += tile)
            {
                queries.First = query;
                Group.Barrier();
                QueryTile.Load(queries, args, tile);
                Group.Barrier();
                if (QueryTile.FirstKey(queries, args.Keys, tile) < key + tile && QueryTile.LastKey(queries, tile) > key)
                {
                    var s = HeadPanel.Products<TBlock, TElement>(
                        sharedA, sharedB, args.Dim, b, args.Q, args.Queries, query, h, args.K, args.Keys, key, keyHead);
                    if (args.HasDV != 0)
                    {
                        WriteProbabilities(args, queries, weights, s, key);
                        Group.Barrier();
                        dV = HeadPanel.Combine<TBlock, TElement>(dV, weights, sharedB, args.DOut, b, args.Queries, query, h, d0,
                            args.ValueDim);
                    }

                    if (args.HasDK != 0)
                    {
                        var dP = HeadPanel.Products<TBlock, TElement>(
                            sharedA, sharedB, args.ValueDim, b, args.DOut, args.Queries, query, h, args.V, args.Keys, key, keyHead);
                        WriteSlopes(args, queries, weights, s, dP, key);
                        Group.Barrier();
                        dK = HeadPanel.Combine<TBlock, TElement>(dK, weights, sharedB, args.Q, b, args.Queries, query, h, d0, args.Dim);
                    }
                }
            }
        }

        if (args.HasDK != 0)
        {
            HeadPanel.Store<TBlock, TElement>(args.DK, b, args.Keys, key, keyHead, d0, args.Dim, dK, args.AddDK);
        }

        if (args.HasDV != 0)
        {
            HeadPanel.Store<TBlock, TElement>(args.DV, b, args.Keys, key, keyHead, d0, args.ValueDim, dV, args.AddDV);
        }
    }

    private static void WriteProbabilities(AttentionArgs<TElement> args, QueryTile queries, ArrayView<float> weights, Tile4 s, int key)
    {
        int i = 4 * (Group.IdxX / TBlock.Side), j = 4 * (Group.IdxX % TBlock.Side);
        var four = weights.Cast<Float4>();
        int at = (i * (Panel.Stride / 4)) + (j / 4);
        four[at] = Probabilities(args, queries, s.R0, i, key + j);
        four[at + (Panel.Stride / 4)] = Probabilities(args, queries, s.R1, i + 1, key + j);
        four[at + (2 * (Panel.Stride / 4))] = Probabilities(args, queries, s.R2, i + 2, key + j);
        four[at + (3 * (Panel.Stride / 4))] = Probabilities(args, queries, s.R3, i + 3, key + j);
    }

    private static Float4 Probabilities(AttentionArgs<TElement> args, QueryTile queries, Float4 s, int i, int j)
    {
        s.X = QueryTile.Probability(queries, args, s.X, i, j);
        s.Y = QueryTile.Probability(queries, args, s.Y, i, j + 1);
        s.Z = QueryTile.Probability(queries, args, s.Z, i, j + 2);
        s.W = QueryTile.Probability(queries, args, s.W, i, j + 3);
        return s;
    }

    private static void WriteSlopes(AttentionArgs<TElement> args, QueryTile queries, ArrayView<float> weights, Tile4 s, Tile4 dP, int key)
    {
        int i = 4 * (Group.IdxX / TBlock.Side), j = 4 * (Group.IdxX % TBlock.Side);
        var four = weights.Cast<Float4>();
        int at = (i * (Panel.Stride / 4)) + (j / 4);
        four[at] = Slopes(args, queries, s.R0, dP.R0, i, key + j);
        four[at + (Panel.Stride / 4)] = Slopes(args, queries, s.R1, dP.R1, i + 1, key + j);
        four[at + (2 * (Panel.Stride / 4))] = Slopes(args, queries, s.R2, dP.R2, i + 2, key + j);
        four[at + (3 * (Panel.Stride / 4))] = Slopes(args, queries, s.R3, dP.R3, i + 3, key + j);
    }

    private static Float4 Slopes(AttentionArgs<TElement> args, QueryTile queries, Float4 s, Float4 dP, int i, int j)
    {
        s.X = QueryTile.Slope(queries, args, s.X, dP.X, i, j);
        s.Y = QueryTile.Slope(queries, args, s.Y, dP.Y, i, j + 1);
        s.Z = QueryTile.Slope(queries, args, s.Z, dP.Z, i, j + 2);
        s.W = QueryTile.Slope(queries, args, s.W, dP.W, i, j + 3);
        return s;
    }
}
