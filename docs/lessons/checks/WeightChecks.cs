namespace PeftCore.Lessons;

/// <summary>Exercises 4, 5, 9 and 10: functions of weights, gradients and singular values.</summary>
public static class WeightChecks
{
    /// <summary>Exercise 4: how many singular values hold a share of Σ σ².</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="rank">The smallest number of values, from the values, in any order, and the share.</param>
    public static int RunRank(string[] args, Func<double[], double, int> rank) => Check.Run(args, "04-rank",
        "the rank that is used is found for each spectrum", () =>
        {
            (double[] Sigma, double Share, int Rank)[] cases =
            [
                ([3, 2, 1], 0.99, 3), ([3, 2, 1], 0.9, 2), ([3, 2, 1], 0.6, 1), ([1, 2, 3], 0.9, 2), ([5, 0, 0, 0], 1, 1),
                    ([1, 1, 1, 1], 0.5, 2),
            ];
            foreach (var (sigma, share, expected) in cases)
            {
                int answer = rank([.. sigma], share);
                Check.That(answer == expected,
                    $"of the singular values {string.Join(", ", sigma)} the {expected} largest hold {share:P0} of Σ σ²; the answer is "
                        + $"{answer}");
            }
        });

    /// <summary>Exercise 5: W + s·B·A in both layouts.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="merge">The merged weight from W, A (r, in), B (out, r), s, and whether W is (in, out).</param>
    public static int RunMerge(string[] args, Func<float[,], float[,], float[,], float, bool, float[,]> merge) =>
        Check.Run(args, "05-merging",
        "the merged weight is W + s·B·A, and its transpose for a layer that stores (in, out)", () =>
        {
            const int Inputs = 4, Outputs = 3, Rank = 2;
            float[,] a = Matrix(Rank, Inputs, 1), b = Matrix(Outputs, Rank, 2);
            foreach (bool transposed in (bool[])[false, true])
            {
                float[,] w = transposed ? Matrix(Inputs, Outputs, 3) : Matrix(Outputs, Inputs, 3), kept = (float[,])w.Clone();
                float[,] merged = merge(w, a, b, 0.5f, transposed);
                string layout = transposed ? "(in, out)" : "(out, in)";
                Check.That(merged.GetLength(0) == w.GetLength(0) && merged.GetLength(1) == w.GetLength(1),
                    $"the merged weight of a layer that stores {layout} has another shape than W");
                for (int o = 0; o < Outputs; o++)
                {
                    for (int i = 0; i < Inputs; i++)
                    {
                        var (row, column) = transposed ? (i, o) : (o, i);
                        double expected = kept[row, column] + 0.5 * Enumerable.Range(0, Rank).Sum(k => (double)b[o, k] * a[k, i]);
                        Check.That(Math.Abs(merged[row, column] - expected) < 1e-5,
                            $"for a layer that stores {layout}, entry [{row}, {column}] is {merged[row, column]:0.0000} and should be "
                                + $"{expected:0.0000}");
                    }
                }
            }
        });

    /// <summary>Exercise 9: the entries with the highest SNIP scores.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="choose">The chosen indices, ascending, from w, the gradients of some batches, and how many to choose.</param>
    public static int RunChoice(string[] args, Func<float[], float[][], int, int[]> choose) => Check.Run(args, "09-choosing",
        "the entries with the largest |w·Σ g| are chosen", () =>
        {
            float[] w = [1, -2, 3, 0.1f, 5];
            float[][] gradients = [[1, 1, 1, 9, 2], [1, 1, -1, 9, -2]];
            int[] answer = choose(w, gradients, 2);
            Check.That(!answer.SequenceEqual([3, 4]) && !answer.SequenceEqual([2, 4]),
                "gradients of batches are summed before the absolute value is taken: those of entries 2 and 4 cancel");
            Check.That(!answer.SequenceEqual([1, 2]), "entry 2 has gradients that cancel; its score is 0");
            Check.That(!answer.SequenceEqual([1, 0]), "the indices should be in ascending order");
            Check.That(answer.SequenceEqual([0, 1]),
                $"the scores |w·Σ g| are 2, 4, 0, 1.8 and 0, so entries 0 and 1 are the best two; the answer is "
                + string.Join(", ", answer));
            int[] three = choose(w, gradients, 3);
            Check.That(three.SequenceEqual([0, 1, 3]), $"the best three are 0, 1 and 3; the answer is {string.Join(", ", three)}");
        });

    /// <summary>Exercise 10: symmetric INT8 codes of a row.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="quantise">Codes from −127 to 127 and the scale with value ≈ code·scale.</param>
    public static int RunCodes(string[] args, Func<float[], (sbyte[] Codes, float Scale)> quantise) => Check.Run(args, "10-quantised",
        "no value is further from its code than half a step, and a row of zeros stays one", () =>
        {
            foreach (float[] row in (float[][])[[0.5f, -1, 0.25f, 0.996f], [100, 3, -50, 7], Check.Random(64, 3)])
            {
                var (codes, scale) = quantise([.. row]);
                Check.That(codes.Length == row.Length, $"there are {codes.Length} codes for {row.Length} values");
                double step = row.Max(Math.Abs) / 127.0;
                Check.That(Math.Abs(scale - step) < 1e-6 * step,
                    $"the largest magnitude {row.Max(Math.Abs)} should have the code 127, so the scale is {step:0.000000}, not "
                        + $"{scale:0.000000}");
                for (int i = 0; i < row.Length; i++)
                {
                    Check.That(Math.Abs(codes[i] * (double)scale - row[i]) <= 0.5001 * step,
                        $"{row[i]} has the code {codes[i]}, which stands for {codes[i] * scale:0.0000}: further away than half a step; "
                            + $"round to the nearest");
                }
            }
            var (zeros, ofZeros) = quantise([0, 0, 0]);
            Check.That(zeros.All(code => code == 0) && float.IsFinite(ofZeros),
                "a row of zeros needs the codes 0 and a finite scale; dividing by its largest magnitude gives NaN");
        });

    private static float[,] Matrix(int rows, int columns, int seed)
    {
        float[] values = Check.Random(rows * columns, seed);
        float[,] matrix = new float[rows, columns];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(float));
        return matrix;
    }
}
