using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.LinearAttention;

/// <summary>Gradients of the gated delta rule: one thread block per batch row and key head. States are recomputed from those at the starts
/// of chunks. For each token, threads first take columns of the state and then rows of it. O holds do; States has room for the starts of
/// all chunks and for the states of one chunk's tokens.</summary>
internal readonly struct DeltaBackward : IKernel<DeltaArgs>
{
    public static void Run(DeltaArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int block = Grid.IdxX, group = args.ValueHeads / args.KeyHeads, b = block / args.KeyHeads;
        long stateCount = (long)args.KeyDim * args.ValueDim;
        long starts = block * (args.Chunks + (args.Length < args.Chunk ? args.Length : args.Chunk) + 1) * stateCount;
        for (int h = 0; h < group; h++)
        {
            int item = (b * args.ValueHeads) + (block % args.KeyHeads * group) + h;
            Starts(args, item, starts, stateCount);
            for (int chunk = args.Chunks - 1; chunk >= 0; chunk--)
            {
                int from = chunk * args.Chunk, to = from + args.Chunk < args.Length ? from + args.Chunk : args.Length;
                long states = starts + (args.Chunks * stateCount);
                States(args, item, starts + (chunk * stateCount), states, from, to, stateCount);
                for (int time = to - 1; time >= from; time--)
                {
                    var token = DeltaStep.At(args, item, time);
                    long before = states + ((time - from) * stateCount);
                    Columns(args, shared, token, block, before);
                    Group.Barrier();
                    Rows(args, shared, token, block, before, h > 0);
                    Group.Barrier();
                }
            }
        }
    }

    /// <summary>The states at the starts of chunks, and a zero gradient.</summary>
    private static void Starts(DeltaArgs args, int item, long starts, long stateCount)
    {
        for (int column = Group.IdxX; column < args.ValueDim; column += Group.DimX)
        {
            for (int r = 0; r < args.KeyDim; r++)
            {
                args.States[starts + ((long)r * args.ValueDim) + column] = 0;
                args.Gradient[(Grid.IdxX * stateCount) + ((long)r * args.ValueDim) + column] = 0;
            }

            long before = starts + column, room = starts + (args.Chunks * stateCount) + column;
            for (int time = 0; time < (args.Chunks - 1) * args.Chunk; time++)
            {
                bool last = (time + 1) % args.Chunk == 0;
                long after = last ? starts + ((time + 1) / args.Chunk * stateCount) + column : room;
                DeltaStep.Update(args, DeltaStep.At(args, item, time), column, before, after);
                before = after;
            }
        }
    }

    /// <summary>The states before each token of a chunk, and after the last.</summary>
    private static void States(DeltaArgs args, int item, long start, long states, int from, int to, long stateCount)
    {
        for (int column = Group.IdxX; column < args.ValueDim; column += Group.DimX)
        {
            for (int r = 0; r < args.KeyDim; r++)
            {
                long at = ((long)r * args.ValueDim) + column;
                args.States[states + at] = args.States[start + at];
            }

            for (int time = from; time < to; time++)
            {
                long before = states + ((time - from) * stateCount) + column;
                DeltaStep.Update(args, DeltaStep.At(args, item, time), column, before, before + stateCount);
            }
        }
    }

    /// <summary>Per column: D += q·doᵀ; the errors v − S′ᵀk and dδ, kept in Rows; dv and dβ.</summary>
    private static void Columns(DeltaArgs args, ArrayView<float> shared, DeltaStep token, int block, long before)
    {
        long gradient = (long)block * args.KeyDim * args.ValueDim, rows = 2L * block * args.ValueDim;
        float dBeta = 0;
        for (int column = Group.IdxX; column < args.ValueDim; column += Group.DimX)
        {
            float read = 0, dDelta = 0, dOut = args.O[token.Value + column];
            for (int r = 0; r < args.KeyDim; r++)
            {
                long at = ((long)r * args.ValueDim) + column;
                float k = args.K[token.Key + r], d = args.Gradient[gradient + at] + (args.Q[token.Key + r] * dOut);
                args.Gradient[gradient + at] = d;
                dDelta += d * k;
                read += args.States[before + at] * token.Decay * k;
            }

            float error = args.V[token.Value + column] - read;
            args.Rows[rows + column] = error;
            args.Rows[rows + args.ValueDim + column] = dDelta;
            dBeta += dDelta * error;
            if (args.DV.Length > 0)
            {
                args.DV[token.Value + column] = token.Beta * dDelta;
            }
        }

        dBeta = Threads.Sum(shared, dBeta);
        if (Group.IdxX == 0 && args.DBeta.Length > 0)
        {
            args.DBeta[token.Scalar] = dBeta;
        }
    }

    /// <summary>Per row: dq, dk, D′ and the gradient before the token; dg.</summary>
    private static void Rows(DeltaArgs args, ArrayView<float> shared, DeltaStep token, int block, long before, bool add)
    {
        long gradient = (long)block * args.KeyDim * args.ValueDim, rows = 2L * block * args.ValueDim;
        float dDecay = 0;
        for (int r = Group.IdxX; r < args.KeyDim; r += Group.DimX)
        {
            float k = args.K[token.Key + r], stateDotOut = 0, errorDotOut = 0, dDotError = 0, stateDotDDelta = 0;
            for (int column = 0; column < args.ValueDim; column++)
            {
                long at = ((long)r * args.ValueDim) + column;
                float state = args.States[before + at], d = args.Gradient[gradient + at], dOut = args.O[token.Value + column];
                float error = args.Rows[rows + column], dDelta = args.Rows[rows + args.ValueDim + column];
                stateDotOut += state * dOut;
                errorDotOut += error * dOut;
                dDotError += d * error;
                stateDotDDelta += state * dDelta;
                d -= token.Beta * k * dDelta;
                dDecay += d * state;
                args.Gradient[gradient + at] = d * token.Decay;
            }

            if (args.DQ.Length > 0)
            {
                float dq = (token.Decay * stateDotOut) + (token.Beta * k * errorDotOut);
                args.DQ[token.Key + r] = add ? args.DQ[token.Key + r] + dq : dq;
            }

            if (args.DK.Length > 0)
            {
                float dk = token.Beta * (dDotError - (token.Decay * stateDotDDelta));
                args.DK[token.Key + r] = add ? args.DK[token.Key + r] + dk : dk;
            }
        }

        dDecay = Threads.Sum(shared, dDecay);
        if (Group.IdxX == 0 && args.DG.Length > 0)
        {
            args.DG[token.Scalar] = dDecay * token.Decay;
        }
    }
}
