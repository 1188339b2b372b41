using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Rows;

internal struct CtcArgs
{
    public ArrayView<float> Logits, Alpha, Normalizers, Beta, Losses, Gradient;
    public ArrayView<int> Labels, Lengths;
    public int Frames, Classes, MostLabels, Blank, IsMean, ZeroInfinity, WriteGradient;
}

/// <summary>Connectionist temporal classification, one thread block a row: <see cref="Kernels.Ctc"/> has the equations. A frame's states
/// are computed side by side, one frame after the other; the normalizers and the gradients of frames are independent, so each thread has
/// frames of its own and sums in a fixed order. A label out of range gives NaN, because a kernel cannot throw.</summary>
internal readonly struct CtcRows : IKernel<CtcArgs>
{
    public static void Run(CtcArgs args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        var row = CtcRow.Of(args, Grid.IdxX);
        for (int t = Group.IdxX; t < row.Frames; t += Group.DimX)
        {
            row.Normalize(args, t);
        }

        Group.Barrier();
        double total = 0;
        float offset = 0;
        for (int t = 0; t < row.Frames; t++)
        {
            float max = float.NegativeInfinity;
            for (int s = Group.IdxX; s < row.States; s += Group.DimX)
            {
                float value = row.Reach(args, t, s, offset);
                args.Alpha[row.Alpha(args, t) + s] = value;
                max = value > max ? value : max;
            }

            max = Threads.Max(shared, max); // Its barriers also make this frame's states visible to the next frame.
            offset = max == float.NegativeInfinity ? 0 : max;
            total += offset;
        }

        float weight = args.IsMean != 0 ? 1f / (row.Labels > 1 ? row.Labels : 1) : 1;
        float end = row.End(args);
        bool isLeftOut = end == float.NegativeInfinity && args.ZeroInfinity != 0;
        if (Group.IdxX == 0)
        {
            args.Losses[row.Index] = isLeftOut ? 0 : (float)(-(total + (end - offset)) * weight);
        }

        if (args.WriteGradient != 0)
        {
            if (!isLeftOut)
            {
                Posteriors(args, row, shared);
            }

            Group.Barrier();
            for (int t = Group.IdxX; t < args.Frames; t += Group.DimX)
            {
                row.WriteFrame(args, t, isLeftOut ? 0 : weight);
            }
        }
    }

    /// <summary>α becomes α + β, frame by frame from the last.</summary>
    private static void Posteriors(CtcArgs args, CtcRow row, ArrayView<float> shared)
    {
        float offset = 0;
        for (int t = row.Frames - 1; t >= 0; t--)
        {
            long now = row.Beta(args, t % 2), next = row.Beta(args, 1 - t % 2);
            float max = float.NegativeInfinity;
            for (int s = Group.IdxX; s < row.States; s += Group.DimX)
            {
                float beta = row.Leave(args, t, s, next, offset);
                args.Alpha[row.Alpha(args, t) + s] += beta;
                args.Beta[now + s] = beta + row.Log(args, t, s);
                max = beta > max ? beta : max;
            }

            max = Threads.Max(shared, max);
            offset = max == float.NegativeInfinity ? 0 : max;
        }
    }
}

/// <summary>One row of <see cref="CtcRows"/>.</summary>
internal struct CtcRow
{
    public int Index, Frames, Labels, States;

    public static CtcRow Of(CtcArgs args, int index)
    {
        int labels = 0;
        while (labels < args.MostLabels && args.Labels[(long)index * args.MostLabels + labels] >= 0)
        {
            labels++;
        }

        int frames = args.Lengths[index];
        frames = frames < 0 ? 0 : frames > args.Frames ? args.Frames : frames;
        return new CtcRow { Index = index, Frames = frames, Labels = labels, States = 2 * labels + 1 };
    }

    public readonly long Alpha(CtcArgs args, int t) => ((long)Index * args.Frames + t) * MostStates(args);

    public readonly long Beta(CtcArgs args, int half) => ((long)Index * 2 + half) * MostStates(args);

    /// <summary>log Σ_c exp(logits) of a frame.</summary>
    public readonly void Normalize(CtcArgs args, int t)
    {
        long frame = Frame(args, t);
        float max = float.NegativeInfinity, sum = 0;
        for (int c = 0; c < args.Classes; c++)
        {
            float x = args.Logits[frame + c];
            max = x > max ? x : max;
        }

        for (int c = 0; c < args.Classes; c++)
        {
            sum += MathF.Exp(args.Logits[frame + c] - max);
        }

        args.Normalizers[(long)Index * args.Frames + t] = max + MathF.Log(sum);
    }

    /// <summary>log y_t(l_s).</summary>
    public readonly float Log(CtcArgs args, int t, int s)
    {
        int symbol = Symbol(args, s);
        return symbol >= args.Classes ? float.NaN
            : args.Logits[Frame(args, t) + symbol] - args.Normalizers[(long)Index * args.Frames + t];
    }

    /// <summary>α_t(s).</summary>
    public readonly float Reach(CtcArgs args, int t, int s, float offset)
    {
        float from = s < 2 ? 0 : float.NegativeInfinity;
        if (t > 0)
        {
            long before = Alpha(args, t - 1) + s;
            float one = float.NegativeInfinity, two = float.NegativeInfinity;
            if (s > 0)
            {
                one = args.Alpha[before - 1];
            }

            if (Skips(args, s))
            {
                two = args.Alpha[before - 2];
            }

            from = LogSum.Of(args.Alpha[before], one, two) - offset;
        }

        return from + Log(args, t, s);
    }

    /// <summary>β_t(s), from the β of the next frame with its symbols.</summary>
    public readonly float Leave(CtcArgs args, int t, int s, long next, float offset)
    {
        if (t == Frames - 1)
        {
            return s >= States - 2 ? 0 : float.NegativeInfinity;
        }

        float one = float.NegativeInfinity, two = float.NegativeInfinity;
        if (s + 1 < States)
        {
            one = args.Beta[next + s + 1];
        }

        if (s + 2 < States && Skips(args, s + 2))
        {
            two = args.Beta[next + s + 2];
        }

        return LogSum.Of(args.Beta[next + s], one, two) - offset;
    }

    /// <summary>The logarithm of all alignments, relative to the last frame's largest.</summary>
    public readonly float End(CtcArgs args)
    {
        if (Frames == 0)
        {
            return Labels == 0 ? 0 : float.NegativeInfinity;
        }

        long last = Alpha(args, Frames - 1) + States - 1;
        float before = float.NegativeInfinity;
        if (Labels > 0)
        {
            before = args.Alpha[last - 1];
        }

        return LogSum.Of(args.Alpha[last], before, float.NegativeInfinity);
    }

    /// <summary>weight·(softmax − posterior) of a frame; zero in padding.</summary>
    public readonly void WriteFrame(CtcArgs args, int t, float weight)
    {
        long frame = Frame(args, t), alpha = Alpha(args, t);
        if (t >= Frames || weight == 0)
        {
            for (int c = 0; c < args.Classes; c++)
            {
                args.Gradient[frame + c] = 0;
            }

            return;
        }

        float normalizer = args.Normalizers[(long)Index * args.Frames + t], max = float.NegativeInfinity, sum = 0;
        for (int c = 0; c < args.Classes; c++)
        {
            args.Gradient[frame + c] = weight * MathF.Exp(args.Logits[frame + c] - normalizer);
        }

        for (int s = 0; s < States; s++)
        {
            float value = args.Alpha[alpha + s];
            max = value > max ? value : max;
        }

        for (int s = 0; s < States; s++)
        {
            sum += MathF.Exp(args.Alpha[alpha + s] - max);
        }

        for (int s = 0; s < States; s++)
        {
            int symbol = Symbol(args, s);
            symbol = symbol < args.Classes ? symbol : 0;
            args.Gradient[frame + symbol] -= weight * (MathF.Exp(args.Alpha[alpha + s] - max) / sum);
        }
    }

    private static int MostStates(CtcArgs args) => 2 * args.MostLabels + 1;

    private readonly long Frame(CtcArgs args, int t) => ((long)Index * args.Frames + t) * args.Classes;

    private readonly int Symbol(CtcArgs args, int s)
    {
        int symbol = args.Blank;
        if (s % 2 == 1)
        {
            symbol = args.Labels[(long)Index * args.MostLabels + s / 2];
        }

        return symbol;
    }

    private readonly bool Skips(CtcArgs args, int s) => s % 2 == 1 && s > 1 && Symbol(args, s) != Symbol(args, s - 2);
}
