using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.PublicApi.Tests.Samples;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests;

public sealed class OpFromOutsideTests
{
    private const float Beta = 2;

    [Test]
    public void Its_gradient_is_the_slope_of_its_definition()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var tape = new Tape();
        float[] at = [-3, -0.5f, 0, 0.25f, 2];
        var x = backend.From(at, [at.Length]).TrackGradient();
        var y = new Softplus(Beta).Apply(x);
        Assert.That(tape.SavedBytes, Is.Positive);
        tape.Backward(y.Sum());
        for (int i = 0; i < at.Length; i++)
        {
            const double Step = 1e-5;
            double slope = (Definition(at[i] + Step) - Definition(at[i] - Step)) / (2 * Step);
            Assert.That(y.ToFloats()[i], Is.EqualTo(Definition(at[i])).Within(1e-6));
            Assert.That(x.Gradient!.ToFloats()[i], Is.EqualTo(slope).Within(1e-6));
        }
        x.UntrackGradient();
        Assert.That(tape.SavedBytes, Is.Zero);
    }

    [Test]
    public void It_is_not_recorded_where_nothing_needs_a_gradient()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var tape = new Tape();
        new Softplus(Beta).Apply(backend.From([1f, 2f], [2]));
        Assert.That(tape.SavedBytes, Is.Zero);
    }

    private static double Definition(double x) => Math.Log(1 + Math.Exp(Beta * x)) / Beta;
}
