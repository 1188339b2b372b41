using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct AttentionDelta8Args
{
    public ArrayView<Eight> O, DOut;
    public ArrayView<float> Delta;

    /// <summary>Where heads lie, in eights.</summary>
    public int RowO, OffsetO, HeadO, RowDOut, OffsetDOut, HeadDOut;

    /// <summary>Eights a head.</summary>
    public int Eights;
    public int Batch, Queries, Heads;
}

/// <summary>delta = rowsum(dO∘O) of BF16 heads: eight lanes a query and head, which read 16 bytes each.</summary>
internal readonly struct AttentionDelta8 : IKernel<AttentionDelta8Args>
{
    /// <summary>Lanes that share a row.</summary>
    public const int Lanes = 8;

    public static void Run(AttentionDelta8Args args)
    {
        // In 32 bits, for the sake of the divisions.
        int item = (int)(Threads.Linear() / Lanes), lane = Group.IdxX % Lanes, items = args.Batch * args.Queries * args.Heads;
        int token = item / args.Heads, h = item % args.Heads;
        float sum = 0;
        if (item < items)
        {
            long o = ((long)token * args.RowO) + args.OffsetO + ((long)h * args.HeadO);
            long dO = ((long)token * args.RowDOut) + args.OffsetDOut + ((long)h * args.HeadDOut);
            for (int i = lane; i < args.Eights; i += Lanes)
            {
                sum += Floats8.Sum(Eight.ToFloat(args.O[o + i]) * Eight.ToFloat(args.DOut[dO + i]));
            }
        }

        // All lanes of a warp come here, those behind the last row too.
        sum += Warp.ShuffleXor(sum, 4);
        sum += Warp.ShuffleXor(sum, 2);
        sum += Warp.ShuffleXor(sum, 1);
        if (lane == 0 && item < items)
        {
            args.Delta[(((token / args.Queries * args.Heads) + h) * args.Queries) + (token % args.Queries)] = sum;
        }
    }
}
