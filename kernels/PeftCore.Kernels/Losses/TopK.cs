using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Softmax over the k largest elements of each row.</summary>
internal static unsafe class TopK
{
    /// <summary>Softmax over the k largest of each row, zero elsewhere. Of equal elements the first is chosen.</summary>
    public static void Softmax(ReadOnlySpan<float> x, int k, Span<float> y, int rows, int cols, WorkerPool pool)
    {
        Sizes.AtLeast(x, (long)rows * cols);
        Sizes.AtLeast<float>(y, (long)rows * cols);
        fixed (float* px = x, py = y)
        {
            Ranges.ForRows(rows, cols, new Body(px, py, Math.Min(k, cols), cols), pool);
        }
    }

    private readonly struct Body(float* x, float* y, int k, int cols) : IRangeBody
    {
        private readonly float* _x = x, _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int[] chosen = new int[k];
            for (int r = start; r < start + count; r++)
            {
                float* x = _x + (long)r * cols, y = _y + (long)r * cols;
                new Span<float>(y, cols).Clear();
                Choose(x, chosen);
                float sum = 0;
                foreach (int c in chosen)
                {
                    y[c] = MathF.Exp(x[c] - x[chosen[0]]);
                    sum += y[c];
                }
                foreach (int c in chosen)
                {
                    y[c] /= sum;
                }
            }
        }

        /// <summary>Columns of the k largest elements in descending order; equal elements in ascending order of columns.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Choose(float* x, int[] chosen)
        {
            for (int i = 0; i < k; i++)
            {
                int best = -1, last = i == 0 ? -1 : chosen[i - 1];
                for (int c = 0; c < cols; c++)
                {
                    bool free = last < 0 || x[c] < x[last] || (x[c] == x[last] && c > last);
                    if (free && (best < 0 || x[c] > x[best]))
                    {
                        best = c;
                    }
                }
                chosen[i] = best < 0 ? 0 : best; // With NaN nothing compares as larger; the row's output is NaN for any choice.
            }
        }
    }
}
