using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Experts;

internal struct ExpertChoiceArgs
{
    public ArrayView<float> Scores, Bias, Work;
    public ArrayView<int> Chosen;
    public int Rows, Columns, K, Groups, Kept;
}

/// <summary>The columns of the k largest scores of each row, of equal ones the first; see <see cref="Kernels.ExpertChoice"/>. One thread
/// per row, with a row of workspace.</summary>
internal readonly struct ExpertChoice : IKernel<ExpertChoiceArgs>
{
    public static void Run(ExpertChoiceArgs args)
    {
        long row = Threads.Linear();
        if (row >= args.Rows)
        {
            return;
        }

        long at = row * args.Columns;
        for (int c = 0; c < args.Columns; c++)
        {
            float score = args.Scores[at + c];
            args.Work[at + c] = args.Bias.Length > 0 ? score + args.Bias[c] : score;
        }

        if (args.Groups > 1)
        {
            Limit(args, at);
        }

        for (int j = 0; j < args.K; j++)
        {
            int largest = 0;
            float best = args.Work[at];
            for (int c = 1; c < args.Columns; c++)
            {
                float value = args.Work[at + c];
                if (value > best)
                {
                    best = value;
                    largest = c;
                }
            }

            args.Chosen[(row * args.K) + j] = largest;
            args.Work[at + largest] = float.NegativeInfinity;
        }
    }

    /// <summary>Zeroes the scores of each group that Kept others precede.</summary>
    private static void Limit(ExpertChoiceArgs args, long at)
    {
        int each = args.Columns / args.Groups;
        for (int g = 0; g < args.Groups; g++)
        {
            float own = ScoreOf(args, at, g, each);
            int before = 0;
            for (int other = 0; other < args.Groups; other++)
            {
                float score = ScoreOf(args, at, other, each);
                before += score > own || (score == own && other < g) ? 1 : 0;
            }

            if (before >= args.Kept)
            {
                for (int c = g * each; c < (g + 1) * each; c++)
                {
                    args.Work[at + c] = 0;
                }
            }
        }
    }

    /// <summary>The sum of a group's two largest original scores.</summary>
    private static float ScoreOf(ExpertChoiceArgs args, long at, int group, int each)
    {
        float first = float.NegativeInfinity, second = float.NegativeInfinity;
        for (int c = group * each; c < (group + 1) * each; c++)
        {
            float score = args.Scores[at + c];
            score = args.Bias.Length > 0 ? score + args.Bias[c] : score;
            second = score > first ? first : score > second ? score : second;
            first = score > first ? score : first;
        }

        return each > 1 ? first + second : first;
    }
}
