using System.Numerics;
using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class FourierTransformTests
{
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(7)]
    [TestCase(30)]
    [TestCase(97)]
    [TestCase(256)]
    [TestCase(400)]
    public void A_spectrum_of_any_length_is_the_sum_of_the_definition(int length)
    {
        var random = new Random(length);
        Complex[] x = [.. Enumerable.Range(0, length).Select(_ => new Complex(random.NextDouble() - 0.5, random.NextDouble() - 0.5))];
        var spectrum = new Complex[length];
        new FourierTransform(length).Forward(x, spectrum);
        for (int k = 0; k < length; k++)
        {
            var sum = Complex.Zero;
            for (int t = 0; t < length; t++)
            {
                sum += x[t] * Complex.FromPolarCoordinates(1, -2 * Math.PI * ((long)k * t % length) / length);
            }
            Assert.That((spectrum[k] - sum).Magnitude, Is.LessThan(1e-12 * Math.Max(1, length)));
        }
    }
}
