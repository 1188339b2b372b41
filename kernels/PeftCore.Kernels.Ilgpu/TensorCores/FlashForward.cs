using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Attention on Hopper's tensor cores: a warpgroup takes 64 queries of one head and walks the keys they see.</summary>
internal readonly struct FlashForward<TDim> : IKernel<FlashArgs<ArrayView<int>>> where TDim : struct, IFlashDim
{
    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.Begin();
        int t = Group.IdxX, lane = t % 32, tile = FlashPtx.TileBytes(TDim.Dim);
        // The last queries see the most keys: they start first.
        int item = Grid.IdxX, query = (args.Tiles - 1 - (item % args.Tiles)) * FlashPtx.Tile;
        item /= args.Tiles;
        int h = item % args.Heads, b = item / args.Heads, keyHead = h / (args.Heads / args.KeyHeads);
        int row0 = query + (t / 32 * 16) + (lane / 4), row1 = row0 + 8;
        int from0 = Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row0);
        int from1 = Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row1);
        int to0 = Mask.To(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row0);
        int to1 = Mask.To(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, row1);
        int first = Mask.First(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, query, FlashPtx.Tile);
        int last = Mask.Last(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, query, FlashPtx.Tile);

        FlashTiles.Load<TDim>(args.Q, b, args.Queries, query, h, 0);
        for (int key = first / FlashPtx.Tile * FlashPtx.Tile; key < last; key += FlashPtx.Tile)
        {
            Group.Barrier();
            FlashTiles.Load<TDim>(args.K, b, args.Keys, key, keyHead, tile);
            FlashTiles.Load<TDim>(args.V, b, args.Keys, key, keyHead, 2 * tile);
            CudaAsm.Emit("fence.proxy.async.shared::cta;");
            Group.Barrier();
            TDim.ScoresS(0, tile);
            TDim.Softmax(key + (lane % 4 * 2), from0, to0, from1, to1, args.ScaleLog2);
            TDim.CombineSO(2 * tile);
        }

        long token = (long)b * args.Queries, column = lane % 4 * 8;
        long lse = args.Lse + (4 * ((((long)b * args.Heads) + h) * args.Queries));
        TDim.Output(args.O.At(token + row0, h) + column, args.O.At(token + row1, h) + column, lse + (4L * row0), lse + (4L * row1),
            row0 < args.Queries ? 1 : 0, row1 < args.Queries ? 1 : 0, lane % 4 == 0 ? 1 : 0);
    }
}
