namespace PeftCore.Kernels.Ilgpu.Portable.Attention;

/// <summary>dBias += P∘(dO·vᵀ − delta): a thread takes one element of the bias and adds up, in order, all batch rows and heads that share
/// it.</summary>
internal readonly struct AttentionBiasGradient<TElement> : IKernel<AttentionArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(AttentionArgs<TElement> args)
    {
        long item = Threads.Linear(), perHead = (long)args.Queries * args.Keys;
        if (item >= args.DBias.Length)
        {
            return;
        }

        long matrix = item / perHead;
        int i = (int)(item % perHead / args.Keys), j = (int)(item % args.Keys);
        int biasHeads = args.BiasHead != 0 ? args.Heads : 1, biasHead = (int)(matrix % biasHeads), biasBatch = (int)(matrix / biasHeads);
        int firstHead = args.BiasHead != 0 ? biasHead : 0, lastHead = args.BiasHead != 0 ? biasHead + 1 : args.Heads;
        int firstBatch = args.BiasBatch != 0 ? biasBatch : 0, lastBatch = args.BiasBatch != 0 ? biasBatch + 1 : args.Batch;
        float sum = 0;
        for (int b = firstBatch; b < lastBatch; b++)
        {
            int from = Scores.From(args, b, i), to = Scores.To(args, b, i);
            for (int h = firstHead; h < lastHead && j >= from && j < to; h++)
            {
                sum += Term(args, b, h, i, j, from, to);
            }
        }

        args.DBias[item] += sum;
    }

    private static float Term(AttentionArgs<TElement> args, int b, int h, int i, int j, int from, int to)
    {
        int keyHead = h / (args.Heads / args.KeyHeads);
        long token = ((long)b * args.Queries) + i, keyToken = ((long)b * args.Keys) + j;
        long q = args.Q.At(token, h), dO = args.DOut.At(token, h), k = args.K.At(keyToken, keyHead), v = args.V.At(keyToken, keyHead);
        float product = 0, dP = 0;
        for (int d = 0; d < args.Dim; d++)
        {
            product += TElement.ToFloat(args.Q.Data[q + d]) * TElement.ToFloat(args.K.Data[k + d]);
        }

        for (int d = 0; d < args.ValueDim; d++)
        {
            dP += TElement.ToFloat(args.DOut.Data[dO + d]) * TElement.ToFloat(args.V.Data[v + d]);
        }

        float s = Scores.Of(args, product, b, h, i, j, from, to).Value;
        long row = ((((long)b * args.Heads) + h) * args.Queries) + i;
        return s > float.NegativeInfinity
            ? MathF.Exp(s - args.Lse[row]) * ((dP * Scores.Kept(args, b, h, i, j)) - args.Delta[row])
            : 0f;
    }
}
