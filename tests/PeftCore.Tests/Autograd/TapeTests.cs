using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Autograd;

public sealed class TapeTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Backward_starts_from_a_scalar_or_from_a_given_gradient()
    {
        var x = Leaf(1, 2, 3);
        using var tape = new Tape();
        var y = x * 2f;
        Assert.That(() => tape.Backward(y), Throws.TypeOf<ShapeException>().With.Message.Contains("needs a scalar, got shape (3)"));
        tape.Backward(y, _backend.From([1f, 10, 100], [3]));
        Assert.That(Gradient(x), Is.EqualTo(new[] { 2f, 20, 200 }));
    }

    [Test]
    public void A_gradient_to_start_from_has_the_outputs_shape()
    {
        var x = Leaf(1, 2, 3);
        using var tape = new Tape();
        var y = x * 2f;
        Assert.That(() => tape.Backward(y, _backend.From([1f, 2], [2])),
            Throws.TypeOf<ShapeException>().With.Message.Contains("must be F32 of the output's shape (3), got F32(2)"));
    }

    [Test]
    public void Backward_may_start_from_another_shape_of_an_output()
    {
        var x = Leaf(1, 2, 3, 4).Reshape([2, 2]);
        var weight = _backend.From([1f, 2, 3, 4, 5, 6], [3, 2]).TrackGradient();
        using var tape = new Tape();
        var y = x.Linear(weight).Reshape([6]);
        tape.Backward(y, _backend.From([1f, 0, 0, 0, 0, 1], [6]));
        Assert.That(Gradient(weight), Is.EqualTo(new[] { 1f, 2, 0, 0, 3, 4 }));
    }

    [Test]
    public void What_was_not_recorded_has_no_backward()
    {
        var x = Leaf(1, 2);
        var early = x.Sum();
        using var tape = new Tape();
        var frozen = _backend.From([1f], [1]) * 2f;
        foreach (var loss in new[] { early, frozen, Tape.NoGrad(() => x.Sum()) })
        {
            Assert.That(() => tape.Backward(loss), Throws.InvalidOperationException.With.Message.Contains("check that a parameter trains"));
        }
    }

    [Test]
    public void Backward_runs_once()
    {
        var x = Leaf(1, 2);
        using var tape = new Tape();
        var loss = x.Sum();
        tape.Backward(loss);
        Assert.That(() => tape.Backward(loss), Throws.InvalidOperationException);
        Assert.That(Gradient(x), Is.All.EqualTo(1));
    }

    [Test]
    public void Gradients_gather_over_passes_until_they_are_freed()
    {
        var x = Leaf(1, 2);
        Pass(1);
        Pass(0.5f);
        Assert.That(Gradient(x), Is.All.EqualTo(1.5f));
        x.FreeGradient();
        Assert.That(x.Gradient, Is.Null);
        Pass(2);
        Assert.That(Gradient(x), Is.All.EqualTo(2));

        void Pass(float scale)
        {
            using var tape = new Tape();
            tape.Backward(x.Sum(), scale);
        }
    }

    [Test]
    public void The_innermost_tape_records()
    {
        var x = Leaf(1, 2);
        using var outer = new Tape();
        using (var inner = new Tape())
        {
            _ = x * 2f;
            Assert.That(inner.Nodes, Has.Count.EqualTo(1));
        }
        _ = x * 3f;
        Assert.That(outer.Nodes, Has.Count.EqualTo(1));
    }

    [Test]
    public void Tapes_end_in_the_reverse_order_of_their_beginning()
    {
        using var outer = new Tape();
        using (new Tape())
        {
            Assert.That(outer.Dispose, Throws.InvalidOperationException.With.Message.Contains("reverse order of their beginning"));
        }
    }

    [Test]
    public void A_tape_on_another_thread_says_so()
    {
        using var tape = new Tape();
        var y = (Leaf(1, 2) * 2f).Sum();
        Exception? thrown = null;
        var thread = new Thread(() => thrown = Assert.Catch(() => tape.Backward(y)));
        thread.Start();
        thread.Join();
        Assert.That(thrown, Is.TypeOf<InvalidOperationException>());
        Assert.That(thrown!.Message, Does.Contain("runs backward on thread").And.Contain("end it before an await"));
    }

    [Test]
    public void An_ended_tape_runs_no_backward()
    {
        var tape = new Tape();
        var y = (Leaf(1, 2) * 2f).Sum();
        tape.Dispose();
        tape.Dispose();
        Assert.That(() => tape.Backward(y), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Nothing_is_recorded_while_backward_runs()
    {
        var x = Leaf(1, 2);
        using var outer = new Tape();
        using var tape = new Tape();
        tape.Backward((x * x).Sum());
        Assert.That(outer.Nodes.Count + tape.Nodes.Count, Is.Zero);
    }

    [Test]
    public void A_tape_that_ends_without_backward_lets_go_of_everything()
    {
        var x = Leaf(1, 2);
        long before = _backend.Memory.CurrentBytes;
        using (new TensorScope())
        {
            using var tape = new Tape();
            _ = (x * x).Softmax();
            Assert.That(tape.SavedBytes, Is.EqualTo(2 * Arena.Granularity));
        }
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
        Assert.That(x.Storage.SavedBy, Is.Zero);
    }

    [Test]
    public void A_backward_that_throws_leaves_nothing_behind_and_the_thread_as_it_was()
    {
        var x = Leaf(1, 2);
        long before = _backend.Memory.CurrentBytes;
        using (new TensorScope())
        {
            using var tape = new Tape();
            var broken = x * x;
            Tape.Record(() => new ThrowingNode(), [broken], [broken = broken.Detach()]);
            Assert.That(() => tape.Backward((broken * broken).Sum()), Throws.TypeOf<TimeoutException>());
            _ = x * 2f;
            Assert.That(tape.Nodes[^1].Op, Is.EqualTo("scale"), "recording goes on");
        }
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
    }

    [Test]
    public void Detached_values_carry_no_gradient()
    {
        var x = Leaf(1, 2);
        using var tape = new Tape();
        tape.Backward((x * x.Detach()).Sum());
        Assert.That(Gradient(x), Is.EqualTo(new[] { 1f, 2 }));
    }

    [Test]
    public void Only_F32_tracks_gradients()
    {
        var half = _backend.NewTensor([2], DType.BF16);
        Assert.That(half.TrackGradient, Throws.TypeOf<ShapeException>().With.Message.EqualTo(
            "track gradient: only F32 tensors train, this one is BF16; convert it first"));
    }

    [Test]
    public void Leaves_that_get_one_gradient_do_not_share_its_memory()
    {
        var (a, b) = (Leaf(1, 2), Leaf(3, 4));
        using var tape = new Tape();
        tape.Backward((a + b).Sum());
        Assert.That(a.Gradient!.Storage, Is.Not.SameAs(b.Gradient!.Storage));
        Assert.That(Gradient(a).Concat(Gradient(b)), Is.All.EqualTo(1));
    }

    [Test]
    public void Gradients_of_leaves_are_counted_as_gradients()
    {
        var (a, b) = (Leaf(1, 2), Leaf(3, 4));
        using var tape = new Tape();
        tape.Backward((a + b).Sum());
        Assert.That(_backend.Memory.Current(MemoryKind.Gradient), Is.EqualTo(2 * Arena.Granularity));
        a.UntrackGradient();
        b.UntrackGradient();
        Assert.That(_backend.Memory.Current(MemoryKind.Gradient), Is.Zero);
        Assert.That(a.RequiresGrad, Is.False);
    }

    private static float[] Gradient(Tensor tensor) => tensor.Gradient!.ToArray<float>();

    private Tensor Leaf(params ReadOnlySpan<float> values) => _backend.From(values, [values.Length]).TrackGradient();

    private sealed class ThrowingNode() : GradientNode("throwing")
    {
        protected internal override void Backward(BackwardContext context) => throw new TimeoutException();
    }
}
