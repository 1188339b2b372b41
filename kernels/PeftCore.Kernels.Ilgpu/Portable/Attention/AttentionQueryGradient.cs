using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

/// <summary>dQ = dS·K: a thread block takes a tile of queries of one head and one chunk of the head dimension, and iterates over the keys
/// they attend to.</summary>
internal readonly struct AttentionQueryGradient<TBlock, TElement> : IKernel<AttentionArgs<TElement>>
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
        queries.First = item % args.Tiles * tile;
        item /= args.Tiles;
        queries.Head = item % args.Heads;
        int b = item / args.Heads, keyHead = queries.Head / (args.Heads / args.KeyHeads);
        queries.Batch = b;
        QueryTile.Load(queries, args, tile);
        Group.Barrier();
        int last = QueryTile.LastKey(queries, tile);
        Tile4 dQ = default;
        for (int key = QueryTile.FirstKey(queries, args.Keys, tile) / tile * tile; key < last; key += tile)
        {
            var s = HeadPanel.Products<TBlock, TElement>(
                sharedA, sharedB, args.Dim, b, args.K, args.Keys, key, keyHead, args.Q, args.Queries, queries.First, queries.Head);
            var dP = HeadPanel.Products<TBlock, TElement>(
                sharedA, sharedB, args.ValueDim, b, args.V, args.Keys, key, keyHead, args.DOut, args.Queries, queries.First, queries.Head);
            Write(args, queries, weights, s, dP, key);
            Group.Barrier();
            dQ = HeadPanel.Combine<TBlock, TElement>(dQ, weights, sharedB, args.K, b, args.Keys, key, keyHead, d0, args.Dim);
        }

        HeadPanel.Store<TBlock, TElement>(args.DQ, b, args.Queries, queries.First, queries.Head, d0, args.Dim, dQ, args.AddDQ);
    }

    // Rows of the thread's tile are keys, columns queries.
    private static void Write(AttentionArgs<TElement> args, QueryTile queries, ArrayView<float> weights, Tile4 s, Tile4 dP, int key)
    {
        int j = 4 * (Group.IdxX / TBlock.Side), i = 4 * (Group.IdxX % TBlock.Side);
        var four = weights.Cast<Float4>();
        int at = (j * (Panel.Stride / 4)) + (i / 4);
        four[at] = Row(args, queries, s.R0, dP.R0, i, key + j);
        four[at + (Panel.Stride / 4)] = Row(args, queries, s.R1, dP.R1, i, key + j + 1);
        four[at + (2 * (Panel.Stride / 4))] = Row(args, queries, s.R2, dP.R2, i, key + j + 2);
        four[at + (3 * (Panel.Stride / 4))] = Row(args, queries, s.R3, dP.R3, i, key + j + 3);
    }

    private static Float4 Row(AttentionArgs<TElement> args, QueryTile queries, Float4 s, Float4 dP, int i, int j)
    {
        s.X = QueryTile.Slope(queries, args, s.X, dP.X, i, j);
        s.Y = QueryTile.Slope(queries, args, s.Y, dP.Y, i + 1, j);
        s.Z = QueryTile.Slope(queries, args, s.Z, dP.Z, i + 2, j);
        s.W = QueryTile.Slope(queries, args, s.W, dP.W, i + 3, j);
        return s;
    }
}
