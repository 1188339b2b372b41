namespace PeftCore.Tests.Kernels;

/// <summary>Double-precision forms of the functions under test.</summary>
internal static class Exact
{
    /// <summary>The error function by its series, or the continued fraction of erfc where the series cancels.</summary>
    public static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (a < 2.5)
        {
            double term = a, sum = a;
            for (int n = 1; n < 80; n++)
            {
                term *= -a * a / n;
                sum += term / ((2 * n) + 1);
            }

            return Math.Sign(x) * sum * 2 / Math.Sqrt(Math.PI);
        }

        return Math.Sign(x) * (1 - Complement(a));
    }

    /// <summary>1 − Φ(x) for x ≥ 0, Φ the normal distribution function.</summary>
    public static double NormalTail(double x)
    {
        double a = x / Math.Sqrt(2);
        return 0.5 * (a < 2.5 ? 1 - Erf(a) : Complement(a));
    }

    // erfc by its continued fraction.
    private static double Complement(double a)
    {
        double fraction = a;
        for (int n = 80; n >= 1; n--)
        {
            fraction = a + (n / 2.0 / fraction);
        }

        return Math.Exp(-a * a) / (fraction * Math.Sqrt(Math.PI));
    }

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    public static double Softplus(double x) => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)));

    public static double Silu(double x) => x * Sigmoid(x);

    public static double Gelu(double x) => 0.5 * x * (1 + Erf(x / Math.Sqrt(2)));

    public static double GeluTanh(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    public static double QuickGelu(double x) => x * Sigmoid(1.702 * x);

    public static double Relu(double x) => Math.Max(x, 0);

    public static double ReluSquared(double x) => Math.Max(x, 0) * Math.Max(x, 0);

    /// <summary>The central difference of f at x.</summary>
    public static double Slope(Func<double, double> f, double x, double step = 1e-5) => (f(x + step) - f(x - step)) / (2 * step);
}
