using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct AttentionDeltaBf16x8Args
{
    public ArrayView<Bf16x8> O, DOut;
    public ArrayView<float> Delta;

    /// <summary>Strides and offsets of the heads of o and dO, in vectors.</summary>
    public int RowO, OffsetO, HeadO, RowDOut, OffsetDOut, HeadDOut;

    /// <summary>Vectors a head.</summary>
    public int Vectors;
    public int Batch, Queries, Heads;
}

/// <summary><see cref="Portable.Attention.AttentionDelta{TElement}"/> on BF16: eight lanes share a query and head, and read 16 bytes
/// each.</summary>
internal readonly struct AttentionDeltaBf16x8 : IKernel<AttentionDeltaBf16x8Args>
{
    /// <summary>Lanes that share a row.</summary>
    public const int Lanes = 8;

    public static void Run(AttentionDeltaBf16x8Args args)
    {
        // 32-bit numbers, because 64-bit divisions are slow.
        int item = (int)(Threads.Linear() / Lanes), lane = Group.IdxX % Lanes, items = args.Batch * args.Queries * args.Heads;
        int token = item / args.Heads, h = item % args.Heads;
        float sum = 0;
        if (item < items)
        {
            long o = ((long)token * args.RowO) + args.OffsetO + ((long)h * args.HeadO);
            long dO = ((long)token * args.RowDOut) + args.OffsetDOut + ((long)h * args.HeadDOut);
            for (int i = lane; i < args.Vectors; i += Lanes)
            {
                sum += Float32x8.Sum(Bf16x8.ToFloat(args.O[o + i]) * Bf16x8.ToFloat(args.DOut[dO + i]));
            }
        }

        // All lanes of a warp take part, those after the last row too.
        sum += Warp.ShuffleXor(sum, 4);
        sum += Warp.ShuffleXor(sum, 2);
        sum += Warp.ShuffleXor(sum, 1);
        if (lane == 0 && item < items)
        {
            args.Delta[(((token / args.Queries * args.Heads) + h) * args.Queries) + (token % args.Queries)] = sum;
        }
    }
}
