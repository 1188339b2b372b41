using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct AttentionSplitsBf16x8Args
{
    /// <summary>(tokens, heads, splits, head dimension).</summary>
    public ArrayView<Bf16x8> Parts;
    public ArrayView<Bf16x8> Sum;

    /// <summary>Strides and offset of the heads of the sum, and the length of a head, in vectors.</summary>
    public int Row, Offset, Head, Vectors;
    public int Heads, Splits, Items, Accumulate;
}

/// <summary>Adds up the splits of a gradient that <see cref="Hopper.Attention.FlashKeyGradient{TDim, TTerms}"/> leaves, in order and in
/// F32.</summary>
internal readonly struct AttentionSplitsBf16x8 : IKernel<AttentionSplitsBf16x8Args>
{
    public static void Run(AttentionSplitsBf16x8Args args)
    {
        int item = (int)Threads.Linear();
        if (item >= args.Items)
        {
            return;
        }

        int i = item % args.Vectors, pair = item / args.Vectors, token = pair / args.Heads, head = pair % args.Heads;
        long part = ((long)pair * args.Splits * args.Vectors) + i;
        long at = ((long)token * args.Row) + args.Offset + ((long)head * args.Head) + i;
        var sum = Bf16x8.ToFloat(args.Parts[part]);
        for (int split = 1; split < args.Splits; split++)
        {
            sum += Bf16x8.ToFloat(args.Parts[part + ((long)split * args.Vectors)]);
        }

        args.Sum[at] = Bf16x8.FromFloat(args.Accumulate != 0 ? sum + Bf16x8.ToFloat(args.Sum[at]) : sum);
    }
}
