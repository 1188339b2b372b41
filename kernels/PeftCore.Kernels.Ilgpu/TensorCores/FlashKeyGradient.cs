using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>dK = dSᵀ·Q and dV = Pᵀ·dO on Hopper's tensor cores: a warpgroup takes 64 keys of one key head and walks the queries of all heads
/// that share it. One writer an element, so no atomics.</summary>
internal readonly struct FlashKeyGradient<TDim> : IKernel<FlashArgs<ArrayView<int>>> where TDim : struct, IFlashDim
{
    public static void Run(FlashArgs<ArrayView<int>> args)
    {
        TDim.Begin();
        int t = Group.IdxX, lane = t % 32, tile = FlashPtx.TileBytes(TDim.Dim), numbers = 4 * tile;
        int item = Grid.IdxX, key = item % args.Tiles * FlashPtx.Tile;
        item /= args.Tiles;
        int keyHead = item % args.KeyHeads, b = item / args.KeyHeads, group = args.Heads / args.KeyHeads;
        int row0 = key + (t / 32 * 16) + (lane / 4), row1 = row0 + 8;
        // Causal queries before the first key's own see nothing here.
        int start = args.HasRanges != 0 ? 0 : key - (args.Keys - args.Queries);
        start = start > 0 ? start / FlashPtx.Tile * FlashPtx.Tile : 0;

        FlashTiles.Load<TDim>(args.K, b, args.Keys, key, keyHead, 0);
        FlashTiles.Load<TDim>(args.V, b, args.Keys, key, keyHead, tile);
        for (int h = keyHead * group; h < (keyHead + 1) * group; h++)
        {
            long stats = 4 * ((((long)b * args.Heads) + h) * args.Queries);
            for (int query = start; query < args.Queries; query += FlashPtx.Tile)
            {
                if (Mask.First(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, query, FlashPtx.Tile) < key + FlashPtx.Tile &&
                    Mask.Last(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, query, FlashPtx.Tile) > key)
                {
                    Group.Barrier();
                    FlashTiles.Load<TDim>(args.Q, b, args.Queries, query, h, 2 * tile);
                    FlashTiles.Load<TDim>(args.DOut, b, args.Queries, query, h, 3 * tile);
                    if (t < FlashPtx.Tile)
                    {
                        int i = query + t;
                        int from = Mask.From(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, i);
                        int to = Mask.To(args.Ranges, args.HasRanges, args.Queries, args.Keys, b, i);
                        long at = stats + (4L * (i < args.Queries ? i : 0));
                        CudaAsm.Emit("peft.stat %0, %1, %2, %3, %4;", numbers + (t * FlashPtx.StatBytes), from, to, args.Lse + at, args.Delta + at);
                    }

                    CudaAsm.Emit("fence.proxy.async.shared::cta;");
                    Group.Barrier();
                    TDim.ScoresS(0, 2 * tile);
                    TDim.ScoresG(tile, 3 * tile);
                    CudaAsm.Emit("peft.columnslopes %0, %1, %2, %3, %4;",
                        numbers + (lane % 4 * 2 * FlashPtx.StatBytes), row0, row1, args.ScaleLog2, args.Scale);
                    TDim.CombineSV(3 * tile);
                    TDim.CombineGO(2 * tile);
                }
            }
        }

        long token = (long)b * args.Keys, column = lane % 4 * 8;
        int has0 = row0 < args.Keys ? 1 : 0, has1 = row1 < args.Keys ? 1 : 0;
        TDim.GradientO(args.DK.At(token + row0, keyHead) + column, args.DK.At(token + row1, keyHead) + column, has0, has1, args.AddDK);
        TDim.GradientV(args.DV.At(token + row0, keyHead) + column, args.DV.At(token + row1, keyHead) + column, has0, has1, args.AddDV);
    }
}
