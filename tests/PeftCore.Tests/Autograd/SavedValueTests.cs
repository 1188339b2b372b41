using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Autograd;

/// <summary>What a norm, a gate or an activation computed is not kept for the layer behind it, but made again.</summary>
public sealed class SavedValueTests
{
    private const int Rows = 33, Columns = 48, Rank = 4;

    private static IEnumerable<TestCaseData> Sources()
    {
        yield return Case("rms norm", x => x.RmsNorm(Vector(x), 1e-5f, 0));
        yield return Case("layer norm", x => x.LayerNorm(Vector(x), Vector(x), 1e-5f));
        yield return Case("activation", x => x.Activate<GeluTanh>());
        yield return Case("gate", x => x.Gate<Silu>(x * 0.5f));

        static TestCaseData Case(string name, Func<Tensor, Tensor> source) => new TestCaseData(source).SetArgDisplayNames(name);
        static Tensor Vector(Tensor x) => x.Backend.From(Numbers.Random(5, Columns, 1), [Columns]);
    }

    [TestCaseSource(nameof(Sources))]
    public void Gradients_are_those_of_kept_values_and_the_values_are_not_kept(Func<Tensor, Tensor> source)
    {
        var (again, lean) = Run(source);
        var (kept, full) = Run(x => source(x) * 1f); // A product by a number cannot be made again, so its output is kept.

        Assert.That(again, Is.EqualTo(kept).Within(1e-6f));
        Assert.That(full - lean, Is.EqualTo(Rows * Columns * sizeof(float)).Within(Arena.Granularity));
    }

    [Test]
    public void Layers_that_share_an_input_share_what_is_made_again()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var tape = new Tape();
        var x = Leaf(backend, 1, [Rows, Columns]);
        var h = x.Activate<Silu>();
        var y = Enumerable.Range(0, 3).Select(i => Lora(h, i)).Aggregate((a, b) => a + b).Sum();
        long before = backend.Memory.CurrentBytes;
        backend.Memory.ResetPeak();

        tape.Backward(y);

        // Three consumers and one copy: at most dy, dh and h are alive at once, plus small factors.
        Assert.That(backend.Memory.PeakBytes - before, Is.LessThan(4 * Rows * Columns * sizeof(float)));
        x.FreeGradient();
    }

    private static (float[] Gradient, long Saved) Run(Func<Tensor, Tensor> source)
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var tape = new Tape();
        var x = Leaf(backend, 1, [Rows, Columns]);
        var a = Leaf(backend, 7, [Rank, Columns]);
        var loss = Lora(source(x), 0, a).Activate<Tanh>().Sum();
        long saved = tape.SavedBytes;
        tape.Backward(loss);
        return ([.. x.Gradient!.ToArray<float>(), .. a.Gradient!.ToArray<float>()], saved);
    }

    private static Tensor Lora(Tensor x, int seed, Tensor? a = null) => x.LoraLinear(
        x.Backend.From(Numbers.Random(20 + seed, Columns * Columns, 0.2f), [Columns, Columns]), null, false,
        new LowRankUpdate(a ?? Leaf(x.Backend, 30 + seed, [Rank, Columns]), Leaf(x.Backend, 40 + seed, [Columns, Rank]), 2));

    private static Tensor Leaf(Backend backend, int seed, Shape shape) =>
        backend.From(Numbers.Random(seed, (int)shape.Count, 1), shape).TrackGradient();
}
