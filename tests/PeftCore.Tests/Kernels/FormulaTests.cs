using System.Numerics;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class FormulaTests
{
    private static readonly float[] Points = MakePoints();

    [Test]
    public void Silu_is_its_formula() => Check<Silu>(Exact.Silu);

    [Test]
    public void Sigmoid_is_its_formula() => Check<Sigmoid>(Exact.Sigmoid);

    [Test]
    public void Tanh_is_its_formula() => Check<Tanh>(Math.Tanh);

    [Test]
    public void Gelu_is_its_formula() => Check<Gelu>(Exact.Gelu);

    [Test]
    public void GeluTanh_is_its_formula() => Check<GeluTanh>(Exact.GeluTanh);

    [Test]
    public void QuickGelu_is_its_formula() => Check<QuickGelu>(Exact.QuickGelu);

    [Test]
    public void Relu_is_its_formula() => Check<Relu>(Exact.Relu);

    [Test]
    public void ReluSquared_is_its_formula() => Check<ReluSquared>(Exact.ReluSquared);

    [Test]
    public void Exp_is_within_two_units_in_the_last_place()
    {
        double worst = 0;
        for (double x = -87.3; x < 88.7; x += 0.00137)
        {
            float at = (float)x;
            double expected = Math.Exp(at);
            worst = Math.Max(worst, Math.Abs(VectorMath.Exp(new Vector<float>(at))[0] - expected) / UnitInLastPlace(expected));
        }

        TestContext.Out.WriteLine($"exp: {worst:F2} ulp");
        Assert.That(worst, Is.LessThan(2));
    }

    [TestCase(float.PositiveInfinity, float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity, 0f)]
    [TestCase(float.NaN, float.NaN)]
    [TestCase(0f, 1f)]
    [TestCase(-200f, 0f)]
    [TestCase(89f, float.PositiveInfinity)]
    public void Exp_keeps_the_special_values(float x, float y) =>
        Assert.That(VectorMath.Exp(new Vector<float>(x))[0], Is.EqualTo(y));

    [Test]
    public void Exp_falls_through_the_subnormal_numbers() =>
        Assert.That(VectorMath.Exp(new Vector<float>(-100f))[0], Is.EqualTo((float)Math.Exp(-100)).Within(3e-45f));

    [Test]
    public void Tanh_is_within_four_units_in_the_last_place()
    {
        double worst = 0;
        for (double x = 1e-6; x < 12; x += x < 0.01 ? 1e-6 : 0.00037)
        {
            float at = (float)x;
            double expected = Math.Tanh(at);
            worst = Math.Max(worst, Math.Abs(VectorMath.Tanh(new Vector<float>(at))[0] - expected) / UnitInLastPlace(expected));
        }

        TestContext.Out.WriteLine($"tanh: {worst:F2} ulp");
        Assert.That(worst, Is.LessThan(4));
        Assert.That(VectorMath.Tanh(new Vector<float>(-0.7f))[0], Is.EqualTo(-VectorMath.Tanh(new Vector<float>(0.7f))[0]));
        Assert.That(VectorMath.Tanh(new Vector<float>(float.NaN))[0], Is.NaN);
        Assert.That(VectorMath.Tanh(new Vector<float>(float.NegativeInfinity))[0], Is.EqualTo(-1f));
    }

    [Test]
    public void Erf_keeps_its_stated_error()
    {
        double absolute = 0, relative = 0, units = 0;
        for (double x = -6; x < 6; x += 0.00037)
        {
            float at = (float)x;
            double expected = Exact.Erf(at);
            foreach (float found in new[] { Erf.Forward(at), Erf.Forward(new Vector<float>(at))[0] })
            {
                absolute = Math.Max(absolute, Math.Abs(found - expected));
                relative = Math.Max(relative, Math.Abs(found - expected) / Math.Abs(expected));
                units = Math.Max(units, Math.Abs(found - expected) / UnitInLastPlace(expected));
            }
        }

        TestContext.Out.WriteLine($"erf: absolute {absolute:E2}, relative {relative:E2}, {units:F2} ulp");
        Assert.That(units, Is.LessThan(4));
        Assert.That(absolute, Is.LessThan(2e-7));
        Assert.That(relative, Is.LessThan(3e-7));
    }

    [Test]
    public void Gelu_of_vectors_keeps_the_stated_error()
    {
        double relative = 0, slope = 0;
        for (double x = -6; x < 12; x += 0.00037)
        {
            float at = (float)x;
            // The exact value takes the complement of Φ without cancellation.
            double expected = at >= 0 ? at - (at * Exact.NormalTail(at)) : at * Exact.NormalTail(-at);
            double found = Gelu.Forward(new Vector<float>(at))[0];
            relative = Math.Max(relative, expected == 0 ? Math.Abs(found) : Math.Abs(found - expected) / Math.Abs(expected));
            double density = Math.Exp(-0.5 * at * at) / Math.Sqrt(2 * Math.PI);
            double exact = (at >= 0 ? 1 - Exact.NormalTail(at) : Exact.NormalTail(-at)) + (at * density);
            slope = Math.Max(slope, Math.Abs(Gelu.Derivative(new Vector<float>(at))[0] - exact));
        }

        TestContext.Out.WriteLine($"gelu: relative {relative:E2}, slope {slope:E2}");
        Assert.That(relative, Is.LessThan(2.5e-6));
        Assert.That(slope, Is.LessThan(4e-7));
    }

    [Test]
    public void Gelu_of_vectors_is_right_at_the_ends()
    {
        Assert.That(Value(float.NaN), Is.NaN);
        Assert.That(Value(float.PositiveInfinity), Is.EqualTo(float.PositiveInfinity));
        Assert.That(Value(float.NegativeInfinity), Is.Zero);
        Assert.That(Value(-40), Is.Zero);
        Assert.That(Slope(float.NaN), Is.NaN);
        Assert.That(Slope(float.PositiveInfinity), Is.EqualTo(1));
        Assert.That(Slope(float.NegativeInfinity), Is.Zero);

        static float Value(float x) => Gelu.Forward(new Vector<float>(x))[0];
        static float Slope(float x) => Gelu.Derivative(new Vector<float>(x))[0];
    }

    [Test]
    public void The_logarithm_of_a_softmax_sum_is_within_one_unit_in_the_last_place()
    {
        double worst = 0;
        for (double x = 1e-38; x < 3e38; x *= 1.0007)
        {
            double expected = Math.Log((float)x);
            worst = Math.Max(worst, expected == 0 ? 0 : Math.Abs(MathF.Log((float)x) - expected) / UnitInLastPlace(expected));
        }

        TestContext.Out.WriteLine($"log: {worst:F2} ulp");
        Assert.That(worst, Is.LessThan(1));
    }

    private static void Check<TFormula>(Func<double, double> exact)
        where TFormula : struct, IUnaryFormula
    {
        foreach (float x in Points)
        {
            double value = exact(x);
            bool atKink = x == 0;
            double slope = atKink ? TFormula.Derivative(x) : Exact.Slope(exact, x, 1e-6 * Math.Max(1, Math.Abs(x)));
            Assert.That(TFormula.Forward(x), Is.EqualTo(value).Within(5e-7 * Math.Max(1, Math.Abs(value))), $"value at {x}");
            Assert.That(TFormula.Forward(new Vector<float>(x))[0], Is.EqualTo(value).Within(5e-7 * Math.Max(1, Math.Abs(value))),
                $"vector value at {x}");
            Assert.That(TFormula.Derivative(x), Is.EqualTo(slope).Within(2e-6 * Math.Max(1, Math.Abs(slope))), $"slope at {x}");
            Assert.That(TFormula.Derivative(new Vector<float>(x))[0], Is.EqualTo(slope).Within(2e-6 * Math.Max(1, Math.Abs(slope))),
                $"vector slope at {x}");
        }
    }

    private static float[] MakePoints()
    {
        Random random = new(5);
        List<float> points = [0f, 1e-4f, -1e-4f, 30f, -30f, 88f, -88f];
        for (int i = 0; i < 2000; i++)
        {
            points.Add((float)((random.NextDouble() * 20) - 10));
        }

        return [.. points];
    }

    private static double UnitInLastPlace(double x) => MathF.BitIncrement((float)Math.Abs(x)) - (double)(float)Math.Abs(x);
}
