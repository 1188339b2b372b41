using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Tests.Nn;

public sealed class RotaryTests
{
    /// <summary>Llama 3.2's frequencies (64 columns, base 500000, factor 32, low 1, high 4, original length 8192), computed independently
    /// of the code: pair 14's wavelength is 1957 tokens, below 8192/4, and it is unchanged; pair 18's is 10089, over 8192, and it is
    /// divided by 32; between them the two are interpolated.</summary>
    [TestCase(0, 1.0)]
    [TestCase(1, 0.6636012376960885)]
    [TestCase(14, 0.0032114459947525913)]
    [TestCase(15, 0.001290547928209264)]
    [TestCase(16, 0.00042955679655936815)]
    [TestCase(17, 9.70828780262767e-05)]
    [TestCase(18, 1.9461638184831125e-05)]
    [TestCase(31, 9.418306725434909e-08)]
    public void Llama_3_keeps_short_wavelengths_stretches_long_ones_and_blends_between(int pair, double frequency)
    {
        var rope = new Llama3Rope(32, 1, 4, 8192);
        Assert.That(rope.Frequencies(500000, 64, 1)[pair], Is.EqualTo(frequency).Within(1e-12).Percent);
    }

    [Test]
    public void Linear_scaling_divides_all_frequencies()
    {
        double[] plain = new DefaultRope().Frequencies(10000, 16, 1);
        Assert.That(plain[..3], Is.EqualTo(new[] { 1, 0.31622776601683794, 0.1 }).Within(1e-15));
        Assert.That(new LinearRope(4).Frequencies(10000, 16, 1), Is.EqualTo(plain.Select(f => f / 4)).Within(1e-15));
    }

    [Test]
    public void Tables_hold_the_angles_of_each_position_and_grow_when_asked()
    {
        using var backend = new CpuBackend(1);
        var rotary = new Rotary(new RopeSpec(100, new DefaultRope(), 4));
        var scope = new TensorScope();
        var small = rotary.Tables(backend, 3, 3);
        Assert.That((rotary.Tables(backend, 2, 2).Cos.Shape, rotary.Version), Is.EqualTo((small.Cos.Shape, 1)));
        Assert.That(small.Cos.ToArray<float>(), Is.EqualTo(new[] { 0, 0, 1, 0.1, 2, 0.2 }.Select(Math.Cos)).Within(1e-6));
        Assert.That(small.Sin.ToArray<float>(), Is.EqualTo(new[] { 0, 0, 1, 0.1, 2, 0.2 }.Select(Math.Sin)).Within(1e-6));
        var large = rotary.Tables(backend, 9, 9);
        Assert.That((large.Cos.Shape, small.Cos.IsAlive), Is.EqualTo((Shape.Of(9, 2), true)), "a pass that runs keeps what it reads");
        scope.Dispose();
        rotary.Dispose();
        Assert.That(backend.Memory.CurrentBytes, Is.Zero);
    }
}
