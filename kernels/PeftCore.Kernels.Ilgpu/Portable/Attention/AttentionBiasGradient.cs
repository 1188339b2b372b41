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

        int biasHead = (int)(item / perHead), i = (int)(item % perHead / args.Keys), j = (int)(item % args.Keys);
        int firstHead = args.SharedBias != 0 ? 0 : biasHead, lastHead = args.SharedBias != 0 ? args.Heads : biasHead + 1;
        float sum = 0;
        for (int b = 0; b < args.Batch; b++)
        {
            int from = Scores.From(args, b, i), to = Scores.To(args, b, i);
            long token = ((long)b * args.Queries) + i, keyToken = ((long)b * args.Keys) + j;
            for (int h = firstHead; h < lastHead; h++)
            {
                int keyHead = h / (args.Heads / args.KeyHeads);
                long q = args.Q.At(token, h), dO = args.DOut.At(token, h), k = args.K.At(keyToken, keyHead),
                    v = args.V.At(keyToken, keyHead);
                float product = 0, dP = 0;
                for (int d = 0; d < args.Dim; d++)
                {
                    product += TElement.ToFloat(args.Q.Data[q + d]) * TElement.ToFloat(args.K.Data[k + d]);
                    dP += TElement.ToFloat(args.DOut.Data[dO + d]) * TElement.ToFloat(args.V.Data[v + d]);
                }

                float s = Scores.Of(args, product, h, i, j, from, to).Value;
                long row = ((((long)b * args.Heads) + h) * args.Queries) + i;
                if (s > float.NegativeInfinity)
                {
                    sum += MathF.Exp(s - args.Lse[row]) * (dP - args.Delta[row]);
                }
            }
        }

        args.DBias[item] += sum;
    }
}
