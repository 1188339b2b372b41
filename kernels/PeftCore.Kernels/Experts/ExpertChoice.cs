using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>The choice of each token's experts.</summary>
internal static unsafe class ExpertChoice
{
    /// <summary>chosen[r, j] = the column of the j-th largest of scores[r, :] + bias; of equal scores the first counts as larger. Scores
    /// outside the kept groups count as zero.</summary>
    /// <param name="scores">(rows, columns)</param>
    /// <param name="bias">(columns), or empty.</param>
    /// <param name="groups">The groups of columns.</param>
    /// <param name="chosen">(rows, k)</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="columns">Experts.</param>
    /// <param name="k">Experts of a token.</param>
    /// <param name="pool">The threads.</param>
    public static void TopK(ReadOnlySpan<float> scores, ReadOnlySpan<float> bias, ExpertGroups groups, Span<int> chosen, int rows,
        int columns, int k, WorkerPool pool)
    {
        Sizes.AtLeast(scores, (long)rows * columns);
        Sizes.AtLeast<int>(chosen, (long)rows * k);
        fixed (float* ps = scores, pb = bias)
        fixed (int* pc = chosen)
        {
            Ranges.ForRows(rows, columns, new Body(ps, bias.IsEmpty ? null : pb, groups, pc, columns, k), pool);
        }
    }

    private readonly struct Body(float* scores, float* bias, ExpertGroups groups, int* chosen, int columns, int k) : IRangeBody
    {
        private readonly float* _scores = scores, _bias = bias;
        private readonly int* _chosen = chosen;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            float[] choice = new float[columns];
            float[] best = new float[groups.Count];
            for (int r = start; r < start + count; r++)
            {
                for (int c = 0; c < columns; c++)
                {
                    choice[c] = _scores[((long)r * columns) + c] + (_bias == null ? 0 : _bias[c]);
                }

                if (groups.Count > 1)
                {
                    Limit(choice, best);
                }

                for (int j = 0; j < k; j++)
                {
                    int largest = Largest(choice);
                    _chosen[((long)r * k) + j] = largest;
                    choice[largest] = float.NegativeInfinity;
                }
            }
        }

        /// <summary>Zeroes the scores of all groups but the best.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Limit(Span<float> choice, Span<float> best)
        {
            int each = columns / groups.Count;
            for (int g = 0; g < groups.Count; g++)
            {
                float first = float.NegativeInfinity, second = float.NegativeInfinity;
                foreach (float score in choice.Slice(g * each, each))
                {
                    second = score > first ? first : score > second ? score : second;
                    first = score > first ? score : first;
                }

                best[g] = first + (each > 1 ? second : 0);
            }

            for (int kept = 0; kept < groups.Kept; kept++)
            {
                best[Largest(best)] = float.NaN; // Marks a kept group: NaN is larger than nothing.
            }

            for (int g = 0; g < groups.Count; g++)
            {
                if (!float.IsNaN(best[g]))
                {
                    choice.Slice(g * each, each).Clear();
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static int Largest(ReadOnlySpan<float> values)
        {
            int largest = 0;
            for (int i = 1; i < values.Length; i++)
            {
                largest = values[i] > values[largest] || float.IsNaN(values[largest]) ? i : largest;
            }

            return largest;
        }
    }
}
