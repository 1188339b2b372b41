using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

/// <summary>delta = rowsum(dO∘O), one number for each query and head.</summary>
internal readonly struct AttentionDelta<TElement> : IKernel<AttentionArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(AttentionArgs<TElement> args)
    {
        long item = Threads.Linear();
        if (item < (long)args.Batch * args.Queries * args.Heads)
        {
            int h = (int)(item % args.Heads);
            long token = item / args.Heads, o = args.O.At(token, h), dO = args.DOut.At(token, h);
            float sum = 0;
            for (int d = 0; d < args.ValueDim; d++)
            {
                sum += TElement.ToFloat(args.O.Data[o + d]) * TElement.ToFloat(args.DOut.Data[dO + d]);
            }

            long b = token / args.Queries, i = token % args.Queries;
            args.Delta[(((b * args.Heads) + h) * args.Queries) + i] = sum;
        }
    }
}

/// <summary>The ranges and row statistics of a tile of queries, in shared memory.</summary>
internal struct QueryTile
{
    public ArrayView<int> From, To;
    public ArrayView<float> Lse, Delta;
    public int Batch, Head, First;

    /// <summary>Fills the shared arrays; a barrier must follow.</summary>
    public static void Load<TElement>(QueryTile tile, AttentionArgs<TElement> args, int count)
        where TElement : unmanaged, IElement<TElement>
    {
        int t = Group.IdxX;
        if (t < count)
        {
            int i = tile.First + t;
            tile.From[t] = Scores.From(args, tile.Batch, i);
            tile.To[t] = Scores.To(args, tile.Batch, i);
            long row = ((((long)tile.Batch * args.Heads) + tile.Head) * args.Queries) + (i < args.Queries ? i : args.Queries - 1);
            tile.Lse[t] = args.Lse[row];
            tile.Delta[t] = args.Delta[row];
        }
    }

    /// <summary>The first key that any of the queries attends to.</summary>
    public static int FirstKey(QueryTile tile, int keys, int count)
    {
        int first = keys;
        for (int r = 0; r < count; r++)
        {
            int from = tile.From[r];
            first = from < first ? from : first;
        }

        return first;
    }

    /// <summary>One past the last key that any of the queries attends to.</summary>
    public static int LastKey(QueryTile tile, int count)
    {
        int last = 0;
        for (int r = 0; r < count; r++)
        {
            int to = tile.To[r];
            last = to > last ? to : last;
        }

        return last;
    }

    /// <summary>P = exp(score − lse) of query First + i and key j after dropout, from the product q·k.</summary>
    public static float Probability<TElement>(QueryTile tile, AttentionArgs<TElement> args, float product, int i, int j)
        where TElement : unmanaged, IElement<TElement>
    {
        float s = Scores.Of(args, product, tile.Batch, tile.Head, tile.First + i, j, tile.From[i], tile.To[i]).Value;
        return s > float.NegativeInfinity
            ? MathF.Exp(s - tile.Lse[i]) * Scores.Kept(args, tile.Batch, tile.Head, tile.First + i, j)
            : 0f;
    }

    /// <summary>d loss / d (q·k) from the products q·k and dO·v.</summary>
    public static float Slope<TElement>(QueryTile tile, AttentionArgs<TElement> args, float product, float dProbability, int i, int j)
        where TElement : unmanaged, IElement<TElement>
    {
        var score = Scores.Of(args, product, tile.Batch, tile.Head, tile.First + i, j, tile.From[i], tile.To[i]);
        float p = score.Value > float.NegativeInfinity ? MathF.Exp(score.Value - tile.Lse[i]) : 0f;
        dProbability *= Scores.Kept(args, tile.Batch, tile.Head, tile.First + i, j);
        return p * (dProbability - tile.Delta[i]) * score.Slope * args.Scale;
    }
}
