using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests.Tensors;

public sealed class TensorScopeTests
{
    private CpuBackend _backend = null!;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1);

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void A_scope_frees_what_was_made_in_it()
    {
        Tensor tensor;
        using (new TensorScope())
        {
            tensor = _backend.Zeros([3]);
            Assert.That(tensor.IsAlive);
        }
        Assert.That(tensor.IsAlive, Is.False);
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
    }

    [Test]
    public void A_returned_tensor_lives_in_the_scope_around()
    {
        Tensor returned, left;
        using (new TensorScope())
        {
            using (var inner = new TensorScope())
            {
                left = _backend.Zeros([3]);
                returned = inner.Return(_backend.Zeros([3]));
            }
            Assert.That((left.IsAlive, returned.IsAlive), Is.EqualTo((false, true)));
        }
        Assert.That(returned.IsAlive, Is.False);
    }

    [Test]
    public void A_tensor_returned_from_the_outermost_scope_belongs_to_the_caller()
    {
        Tensor returned;
        using (var scope = new TensorScope())
        {
            returned = scope.Return(_backend.Zeros([3]));
        }
        Assert.That(returned.IsAlive);
        returned.Dispose();
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
    }

    [Test]
    public void Returning_a_tensor_of_an_outer_scope_changes_nothing()
    {
        using var outer = new TensorScope();
        var tensor = _backend.Zeros([3]);
        using (var inner = new TensorScope())
        {
            inner.Return(tensor);
            inner.Return(tensor);
        }
        Assert.That(tensor.IsAlive);
    }

    [Test]
    public void A_kept_tensor_outlives_every_scope()
    {
        Tensor kept;
        using (new TensorScope())
        {
            kept = _backend.Zeros([3]);
            using (new TensorScope())
            {
                kept.Keep();
            }
        }
        Assert.That(kept.IsAlive);
        kept.Dispose();
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
    }

    [Test]
    public void A_tensor_can_move_to_another_ones_scope()
    {
        using var outer = new TensorScope();
        var old = _backend.Zeros([3]);
        Tensor moved;
        using (new TensorScope())
        {
            moved = _backend.Zeros([3]).SameScope(old);
        }
        Assert.That(moved.IsAlive);
        outer.Dispose();
        Assert.That(moved.IsAlive, Is.False);
    }

    [Test]
    public void A_view_keeps_the_memory_when_the_tensor_it_was_made_from_goes()
    {
        Tensor view;
        using (var scope = new TensorScope())
        {
            view = scope.Return(_backend.From([1f, 2, 3], [3]).View([2], 1));
        }
        Assert.That(view.ToArray<float>(), Is.EqualTo(new[] { 2f, 3 }));
        view.Dispose();
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
    }

    [Test]
    public void Scopes_end_in_the_reverse_order_of_their_beginning()
    {
        var outer = new TensorScope();
        var inner = new TensorScope();
        Assert.That(outer.Dispose,
            Throws.InvalidOperationException.With.Message.EqualTo("a tensor scope is disposed while a tensor scope, opened inside it, is "
                + "still open; dispose scopes in the reverse order of their beginning, as using declarations do"));
        inner.Dispose();
        outer.Dispose();
        Assert.That(TensorScope.Innermost, Is.Null);
    }

    [Test]
    public void Ending_a_scope_again_does_nothing()
    {
        using var outer = new TensorScope();
        var inner = new TensorScope();
        inner.Dispose();
        var tensor = _backend.Zeros([3]);
        inner.Dispose();
        Assert.That(tensor.IsAlive);
    }

    [Test]
    public void A_freed_tensor_says_what_to_do_about_it()
    {
        Tensor tensor;
        using (new TensorScope())
        {
            tensor = _backend.Zeros([2, 3]);
        }
        Assert.That(() => tensor.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains(
            "this F32 tensor of shape (2, 3) was freed when its scope ended; return it from the scope or call Keep() on it"));
        Assert.That(tensor.ToString(), Is.EqualTo("F32(2, 3), freed"));
    }

    [Test]
    public void A_tensor_that_was_disposed_says_so()
    {
        var tensor = _backend.Zeros([2]);
        tensor.Dispose();
        Assert.That(() => tensor.ToArray<float>(),
            Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("this F32 tensor of shape (2) was disposed"));
    }

    [Test]
    public void A_scope_that_another_thread_disposes_says_so_and_is_ended_by_its_own()
    {
        var scope = new TensorScope("answer");
        var tensor = _backend.Zeros([3]);
        Exception? thrown = null;
        var thread = new Thread(() => thrown = Assert.Catch(scope.Dispose));
        thread.Start();
        thread.Join();
        Assert.That(thrown, Is.TypeOf<InvalidOperationException>());
        Assert.That(thrown!.Message, Does.StartWith("the tensor scope \"answer\" of thread ").And.Contain("end it before an await"));
        Assert.That(TensorScope.Innermost, Is.Null);
        Assert.That(tensor.IsAlive, Is.False);
    }

    [Test]
    public void A_scope_that_another_thread_disposes_may_be_disposed_by_its_own_too()
    {
        var scope = new TensorScope();
        var tensor = _backend.Zeros([3]);
        var thread = new Thread(() => Assert.Catch(scope.Dispose));
        thread.Start();
        thread.Join();
        scope.Dispose();
        Assert.That((TensorScope.Innermost, tensor.IsAlive), Is.EqualTo(((TensorScope?)null, false)));
    }

    [Test]
    public void An_ended_scope_returns_no_tensor()
    {
        var scope = new TensorScope();
        var tensor = _backend.Zeros([3]);
        scope.Dispose();
        Assert.That(() => scope.Return(tensor), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("has ended"));
    }

    [Test]
    public void Scopes_of_two_threads_know_nothing_of_each_other()
    {
        using var scope = new TensorScope();
        Tensor? other = null;
        var thread = new Thread(() =>
        {
            Assert.That(TensorScope.Innermost, Is.Null);
            using var own = new TensorScope();
            other = own.Return(_backend.Zeros([3]));
        });
        thread.Start();
        thread.Join();
        scope.Dispose();
        Assert.That(other!.IsAlive);
        other.Dispose();
    }

    [Test]
    public void A_scopes_path_is_made_of_the_labels_around_it()
    {
        using var a = new TensorScope("layers.3");
        using var b = new TensorScope();
        using var c = new TensorScope("mlp");
        Assert.That(c.Path, Is.EqualTo("layers.3.mlp"));
    }

    [Test]
    public void An_exception_ends_scopes_too()
    {
        Assert.That(() =>
        {
            using var outer = new TensorScope();
            using var inner = new TensorScope();
            _backend.Zeros([3]).View([1], 5);
        }, Throws.ArgumentException.With.Message.EqualTo("a view of shape (1) at element 5 does not fit in a tensor of shape (3)"));
        Assert.That(TensorScope.Innermost, Is.Null);
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
    }
}
