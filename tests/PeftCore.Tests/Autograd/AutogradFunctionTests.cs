using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Autograd;

/// <summary>The base class of external ops; their gradients are checked in the op catalog.</summary>
public sealed class AutogradFunctionTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;
    private Tape _tape = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
        _tape = new Tape();
    }

    [TearDown]
    public void Close()
    {
        _tape.Dispose();
        _scope.Dispose();
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
        _backend.Dispose();
    }

    [Test]
    public void Nothing_is_recorded_or_kept_if_no_input_needs_a_gradient()
    {
        var function = new Square();
        var y = function.Apply(Floats(1, 2, 3));
        Assert.That(y.ToArray<float>(), Is.EqualTo(new float[] { 1, 4, 9 }));
        Assert.That(_tape.Nodes, Is.Empty);
        Assert.That(function.NeededInForward, Is.False);
    }

    [Test]
    public void Saved_tensors_count_like_those_of_other_ops_and_are_freed_by_the_backward_pass()
    {
        var function = new Square();
        var x = Floats(1, 2, 3).TrackGradient();
        var y = function.Apply(x).Sum();
        Assert.That(_tape.Nodes[0].SavedTensors.Select(saved => saved.Name), Is.EqualTo(new[] { "x" }));
        Assert.That(_tape.SavedBytes, Is.EqualTo(x.Storage.ReservedBytes));
        _tape.Backward(y);
        Assert.That(x.Gradient!.ToArray<float>(), Is.EqualTo(new float[] { 2, 4, 6 }));
        Assert.That(_tape.SavedBytes, Is.Zero);
        Assert.That((function.NeededInForward, function.NeededInBackward), Is.EqualTo((true, true)));
        x.UntrackGradient();
    }

    [Test]
    public void What_it_computes_on_the_way_is_not_recorded()
    {
        var x = Floats(1, 2).TrackGradient();
        new Square().Apply(x);
        Assert.That(_tape.Nodes.Select(node => node.Op), Is.EqualTo(new[] { "square" }));
    }

    [Test]
    public void It_runs_again_in_a_checkpointed_stretch()
    {
        var x = Floats(1, 2, 3).TrackGradient();
        _tape.Backward(Recompute.Run(h => new Square().Apply(h * 2f), x).Sum());
        Assert.That(x.Gradient!.ToArray<float>(), Is.EqualTo(new float[] { 8, 16, 24 }));
        x.UntrackGradient();
    }

    [Test]
    public void An_output_without_a_gradient_is_null_and_a_null_gradient_adds_nothing()
    {
        var x = Floats(1, 2).TrackGradient();
        var split = new Split();
        _tape.Backward(split.ApplyAll(x)[1].Sum());
        Assert.That(split.Came, Is.EqualTo(new[] { false, true }));
        Assert.That(x.Gradient, Is.Null);
    }

    [Test]
    public void A_gradient_of_another_shape_or_number_is_refused_with_the_ops_name()
    {
        Assert.That(() => _tape.Backward(new Wrong(x => [x.Sum()]).Apply(Floats(1, 2).TrackGradient()).Sum()),
            Throws.TypeOf<ShapeException>().With.Message.EqualTo("wrong: the gradient of input 0 must be F32(2), got F32(1) on cpu"));
        Assert.That(() => _tape.Backward(new Wrong(x => [x, x]).Apply(Floats(1, 2).TrackGradient()).Sum()),
            Throws.InvalidOperationException.With.Message.EqualTo("wrong: backward returned 2 gradients for 1 inputs"));
    }

    private Tensor Floats(params float[] values) => _backend.From(values, [values.Length]);

    private sealed class Square() : AutogradFunction("square")
    {
        public bool NeededInForward { get; private set; }

        public bool NeededInBackward { get; private set; }

        protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs)
        {
            NeededInForward = context.NeedsInputGrad(0);
            context.Save("x", inputs[0]);
            return [inputs[0] * inputs[0]];
        }

        protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs)
        {
            NeededInBackward = context.NeedsInputGrad(0);
            return [2 * gradOutputs[0]! * context.Saved("x")];
        }
    }

    private sealed class Split() : AutogradFunction("split")
    {
        public bool[] Came { get; private set; } = [];

        protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs) => [inputs[0] * 1f, inputs[0] * 2f];

        protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs)
        {
            Came = Array.ConvertAll(gradOutputs, gradient => gradient is not null);
            return [null];
        }
    }

    private sealed class Wrong(Func<Tensor, Tensor?[]> backward) : AutogradFunction("wrong")
    {
        protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs) => [inputs[0] * 1f];

        protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs) => backward(gradOutputs[0]!);
    }
}
