namespace PeftCore.Lessons;

/// <summary>Exercise 1: the backward of a softmax.</summary>
public static class TapeCheck
{
    /// <summary>Compares the answer with difference quotients.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="backward">dx from y and dy.</param>
    public static int Run(string[] args, Func<double[], double[], double[]> backward) => Check.Run(args, "01-tape",
        "the gradient of the softmax agrees with difference quotients", () =>
        {
            double[] x = [0.3, -1.2, 2, 0.7], dy = [1, -2, 0.5, 3], y = Softmax(x);
            double[] dx = backward([.. y], [.. dy]);
            Check.That(dx.Length == x.Length, $"dx has {dx.Length} numbers and x has {x.Length}");
            bool isDiagonal = Enumerable.Range(0, x.Length).All(i => Math.Abs(dx[i] - dy[i] * y[i] * (1 - y[i])) < 1e-9);
            Check.That(!isDiagonal,
                "this is dy∘y∘(1 − y), the derivative of each output by its own input; each output depends on every input");
            for (int i = 0; i < x.Length; i++)
            {
                const double Step = 1e-6;
                double slope = (Loss(i, Step) - Loss(i, -Step)) / (2 * Step);
                Check.That(Math.Abs(dx[i] - slope) < 1e-6, $"dx[{i}] is {dx[i]:0.0000}, the difference quotient {slope:0.0000}");
            }

            double Loss(int i, double step) =>
                Softmax([.. x.Select((value, at) => at == i ? value + step : value)]).Zip(dy, (p, d) => p * d).Sum();
        });

    private static double[] Softmax(double[] x)
    {
        double[] e = [.. x.Select(Math.Exp)];
        return [.. e.Select(value => value / e.Sum())];
    }
}
