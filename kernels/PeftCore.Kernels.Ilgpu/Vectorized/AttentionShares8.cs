using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct AttentionShares8Args
{
    /// <summary>(tokens, heads, shares, head dimension).</summary>
    public ArrayView<Eight> Parts;
    public ArrayView<Eight> Sum;

    /// <summary>Where heads lie in the sum, and how long one is, in eights.</summary>
    public int Row, Offset, Head, Eights;
    public int Heads, Shares, Items, Accumulate;
}

/// <summary>Adds up the shares of a gradient, in order and in F32.</summary>
internal readonly struct AttentionShares8 : IKernel<AttentionShares8Args>
{
    public static void Run(AttentionShares8Args args)
    {
        int item = (int)Threads.Linear();
        if (item >= args.Items)
        {
            return;
        }

        int i = item % args.Eights, pair = item / args.Eights, token = pair / args.Heads, head = pair % args.Heads;
        long part = ((long)pair * args.Shares * args.Eights) + i, at = ((long)token * args.Row) + args.Offset + ((long)head * args.Head) + i;
        Floats8 sum = Eight.ToFloat(args.Parts[part]);
        for (int share = 1; share < args.Shares; share++)
        {
            sum += Eight.ToFloat(args.Parts[part + ((long)share * args.Eights)]);
        }

        args.Sum[at] = Eight.FromFloat(args.Accumulate != 0 ? sum + Eight.ToFloat(args.Sum[at]) : sum);
    }
}
