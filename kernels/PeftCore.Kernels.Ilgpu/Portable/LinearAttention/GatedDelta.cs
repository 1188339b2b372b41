using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.LinearAttention;

/// <summary>Operands of the gated delta rule, as in <see cref="Kernels.GatedDelta"/>. Outputs of length 0 are not written.</summary>
internal struct DeltaArgs
{
    public ArrayView<float> Q, K, V, G, Beta, O, States;
    public ArrayView<float> DQ, DK, DV, DG, DBeta, Gradient, Rows;
    public ArrayView<int> Positions;
    public int Batch, Length, KeyHeads, ValueHeads, KeyDim, ValueDim, Chunk, Chunks, Zero;
}

/// <summary>Forward: a thread per column of a head's state, since columns do not depend on each other. The states are in global memory,
/// where neighbouring threads touch neighbouring addresses.</summary>
internal readonly struct DeltaForward : IKernel<DeltaArgs>
{
    public static void Run(DeltaArgs args)
    {
        long i = Threads.Linear();
        if (i < (long)args.Batch * args.ValueHeads * args.ValueDim)
        {
            int column = (int)(i % args.ValueDim), item = (int)(i / args.ValueDim);
            long state = ((long)item * args.KeyDim * args.ValueDim) + column;
            for (int r = 0; r < args.KeyDim && args.Zero != 0; r++)
            {
                args.States[state + ((long)r * args.ValueDim)] = 0;
            }

            for (int time = 0; time < args.Length; time++)
            {
                var token = DeltaStep.At(args, item, time);
                DeltaStep.Update(args, token, column, state, state);
                float sum = 0;
                for (int r = 0; r < args.KeyDim; r++)
                {
                    sum += args.States[state + ((long)r * args.ValueDim)] * args.Q[token.Key + r];
                }

                args.O[token.Value + column] = sum;
            }
        }
    }
}

/// <summary>One token of one value head: addresses and scalars.</summary>
internal struct DeltaStep
{
    public long Key, Value, Scalar;
    public float Beta, Decay;

    public static DeltaStep At(DeltaArgs args, int item, int time)
    {
        int head = item % args.ValueHeads;
        long row = ((long)(item / args.ValueHeads) * args.Length) + time;
        long scalar = (row * args.ValueHeads) + head;
        float decay = 0;
        if (args.Positions[row] != 0)
        {
            decay = MathF.Exp(args.G[scalar]);
        }

        return new DeltaStep
        {
            Key = ((row * args.KeyHeads) + (head / (args.ValueHeads / args.KeyHeads))) * args.KeyDim,
            Value = scalar * args.ValueDim,
            Scalar = scalar,
            Beta = args.Beta[scalar],
            Decay = decay,
        };
    }

    /// <summary>One column of the state after a token, from that before it, which may be at the same place.</summary>
    public static void Update(DeltaArgs args, DeltaStep token, int column, long before, long after)
    {
        float read = 0;
        for (int r = 0; r < args.KeyDim; r++)
        {
            read += args.States[before + ((long)r * args.ValueDim)] * token.Decay * args.K[token.Key + r];
        }

        float delta = token.Beta * (args.V[token.Value + column] - read);
        for (int r = 0; r < args.KeyDim; r++)
        {
            long at = (long)r * args.ValueDim;
            args.States[after + at] = (args.States[before + at] * token.Decay) + (args.K[token.Key + r] * delta);
        }
    }
}
