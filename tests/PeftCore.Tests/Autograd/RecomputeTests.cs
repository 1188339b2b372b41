using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Autograd;

public sealed class RecomputeTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(2, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Checkpointing_gives_the_same_bits_from_fewer_saved_bytes([Values("llama", "gpt2")] string family,
        [Values(0, 0.3)] double dropout)
    {
        TransformerModel model = family == "llama" ? TinyModels.Llama(_backend) : TinyModels.Gpt2(_backend);
        var peft = TinyModels.WithLora(model, ModuleSelector.Parse(ModuleSelector.AllLinear), dropout);
        (model.Mode.Training, model.Mode.Seed, model.Mode.Step) = (true, 9, 4);
        var (loss, gradients, saved) = Pass(model, peft);
        model.GradientCheckpointing = true;
        var (loss2, gradients2, saved2) = Pass(model, peft);
        Assert.That(loss2, Is.EqualTo(loss));
        Assert.That(gradients2, Is.EqualTo(gradients));
        Assert.That(gradients.SelectMany(g => g), Has.Some.Not.Zero);
        Assert.That(saved2, Is.LessThan(saved / 3));
    }

    [Test]
    public void A_stretch_in_which_nothing_trains_is_not_recorded()
    {
        var x = Random(3, 4);
        using var tape = new Tape();
        var y = Recompute.Run(h => h.Activate<Silu>(), x);
        Assert.That(tape.Nodes, Is.Empty);
        Assert.That(y.RequiresGrad, Is.False);
    }

    [Test]
    public void A_stretch_is_recorded_for_a_parameter_in_it_although_its_input_needs_no_gradient()
    {
        var (x, weight) = (Random(3, 4), Random(2, 4).TrackGradient());
        using var tape = new Tape();
        tape.Backward(Recompute.Run(h => h.Linear(weight), x).Sum());
        Assert.That(weight.Gradient, Is.Not.Null);
    }

    [Test]
    public void A_value_that_passes_through_keeps_its_gradient([Values] bool reshaped)
    {
        var x = Random(2, 3).TrackGradient();
        using var tape = new Tape();
        var y = Recompute.Run(h => reshaped ? h.Reshape([6]) : h, x);
        tape.Backward((y * y).Sum());
        Assert.That(x.Gradient!.ToArray<float>(), Is.EqualTo(x.ToArray<float>().Select(value => 2 * value)));
    }

    [Test]
    public void An_op_that_works_in_place_does_not_overwrite_the_input_that_is_read_again()
    {
        var x = Random(1, 2, 4).TrackGradient();
        var tables = new RopeTables(_backend.From([0f, 0.6f], [2, 1]), _backend.From([1f, 0.8f], [2, 1]), false);
        var positions = _backend.From([0, 1], [2]);
        using var tape = new Tape();
        var computed = x * 1f;
        float[] before = computed.ToArray<float>();
        Recompute.Run(h => new Heads(h, 2, 2).Rope(tables, positions), computed);
        Assert.That(computed.ToArray<float>(), Is.EqualTo(before));
    }

    [Test]
    public void Stretches_nest()
    {
        var x = Random(3, 4).TrackGradient();
        var weight = Random(4, 4).TrackGradient();
        float[][] expected = Gradients(h => Inner(Inner(h)));
        Assert.That(Gradients(h => Recompute.Run(outer => Inner(Recompute.Run(Inner, outer)), h)), Is.EqualTo(expected));

        Tensor Inner(Tensor h) => h.Linear(weight).Activate<Gelu>();

        float[][] Gradients(Func<Tensor, Tensor> body)
        {
            using var tape = new Tape();
            tape.Backward(body(x).Sum());
            float[][] found = [x.Gradient!.ToArray<float>(), weight.Gradient!.ToArray<float>()];
            x.FreeGradient();
            weight.FreeGradient();
            return found;
        }
    }

    [Test]
    public void The_gradient_of_a_stretchs_input_is_no_parameters_gradient()
    {
        var x = Random(3, 4).TrackGradient();
        using var tape = new Tape();
        var loss = Recompute.Run(h => h.Activate<Silu>(), x * 2f).Sum();
        long most = 0;
        _backend.Memory.Watcher = _ => most = Math.Max(most, _backend.Memory.Current(MemoryKind.Gradient));
        tape.Backward(loss);
        Assert.That(most, Is.EqualTo(x.Gradient!.Storage.ReservedBytes));
    }

    private (float Loss, float[][] Gradients, long Saved) Pass(TransformerModel model, PeftModel peft)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = TinyModels.Loss(model);
        long saved = tape.SavedBytes;
        tape.Backward(loss);
        float[][] gradients = peft.Parameters.Select(p => p.Parameter.Gradient!.ToArray<float>()).ToArray();
        foreach (var (_, parameter) in peft.Parameters)
        {
            parameter.Value.FreeGradient();
        }
        return (loss.Item(), gradients, saved);
    }

    private Tensor Random(params ReadOnlySpan<int> extents)
    {
        var shape = Shape.Of(extents);
        return _backend.From(Numbers.Random(3, (int)shape.Count), shape);
    }
}
