using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Training;

namespace PeftCore.Tests.Tensors;

/// <summary>Whatever uses a tensor of a disposed backend says so; its memory is never touched.</summary>
public sealed class DisposedBackendTests
{
    private Tensor _tensor = null!;

    [SetUp]
    public void Dispose_a_backend_under_a_tensor()
    {
        using var backend = new CpuBackend(2);
        _tensor = backend.From([1f, 2, 3], [3]);
    }

    [TearDown]
    public void Dispose_the_tensor() => _tensor.Dispose();

    [Test]
    public void Reading_is_refused_with_the_name_of_the_backend() => Assert.That(() => _tensor.ToArray<float>(),
        Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("this F32 tensor of shape (3) was on a CpuBackend (cpu) that has been disposed"));

    [Test]
    public void Computing_is_refused()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => _tensor + _tensor, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => _tensor.Reshape([3, 1]), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void Disposing_and_printing_do_no_harm()
    {
        Assert.That(_tensor.ToString(), Is.EqualTo("F32(3) on cpu"));
        _tensor.Dispose();
        _tensor.Dispose();
    }

    [Test]
    public void Two_backends_of_one_name_are_told_apart()
    {
        using CpuBackend a = new(1), b = new(1);
        using var scope = new TensorScope();
        Assert.That(() => a.Zeros([2]) + b.Zeros([2]), Throws.TypeOf<ShapeException>().With.Message.Matches(
            @"got F32\(2\) on cpu and F32\(2\) on cpu, of the backends that were opened as numbers \d+ and \d+; make both"));
    }

    [Test]
    public void A_backend_that_is_disposed_while_another_thread_computes_ends_no_process()
    {
        for (int i = 0; i < 20; i++)
        {
            var backend = new CpuBackend(2);
            using var begun = new ManualResetEventSlim();
            Exception? thrown = null;
            var thread = new Thread(() => thrown = Assert.Catch(() =>
            {
                using var scope = new TensorScope();
                var x = backend.Zeros([256, 256]);
                for (; ; )
                {
                    x.MatMul(x).Dispose();
                    begun.Set();
                }
            }));
            thread.Start();
            begun.Wait();
            backend.Dispose();
            thread.Join();
            Assert.That(thrown, Is.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void A_model_is_refused()
    {
        var backend = new CpuBackend(1);
        var trainable = Runs.Lora("llama", backend);
        backend.Dispose();
        backend.Dispose();
        Assert.That(() => trainable.Model.ToInputs(new InputArrays { BatchSize = 1, Ids = [1, 2, 3] }),
            Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => trainable.Parameters[0].Parameter.Value.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
    }
}
