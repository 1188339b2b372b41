using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Nn;

public sealed class ModuleTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Paths_are_those_of_the_weight_files()
    {
        var model = TinyModels.Llama(_backend);
        Assert.That(model.NamedParameters().Take(4).Select(p => p.Path), Is.EqualTo(new[]
        {
            "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
            "model.layers.0.self_attn.v_proj.weight",
        }));
        Assert.That(model.NamedModules().First().Path, Is.Empty);
        Assert.That(model.Find("model.layers.2.mlp.up_proj"), Is.TypeOf<Linear>().With.Property("Name").EqualTo("up_proj"));
        Assert.That((model.Find(""), model.Find("model.layers.4"), model.Find("model.layers.0.mlp.gate")),
            Is.EqualTo((model, (Module?)null, (Module?)null)));
    }

    [Test]
    public void Disposing_frees_every_parameter_once_and_again_changes_nothing()
    {
        long before = _backend.Memory.CurrentBytes;
        using (var model = TinyModels.Gpt2(_backend)) // Its head and its embedding are one parameter.
        {
            Assert.That(_backend.Memory.CurrentBytes, Is.GreaterThan(before));
            model.Dispose();
            Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
            Assert.That(model.NamedParameters().Select(p => p.Parameter.IsMaterialized), Has.None.True);
        }
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
    }

    [Test]
    public void All_modules_of_a_model_share_one_mode()
    {
        var model = TinyModels.Gpt2(_backend);
        model.Mode.Training = true;
        Assert.That(model.NamedModules().Select(m => m.Module.Mode), Is.All.SameAs(model.Mode));
    }

    [Test]
    public void A_layer_frees_what_it_made_but_its_result()
    {
        var model = TinyModels.Llama(_backend);
        var layer = (Layer)model.Find("model.layers.0.mlp")!;
        var x = _backend.Zeros([3, TinyModels.Hidden]);
        long before = _backend.Memory.CurrentBytes;
        var y = layer.Forward(x);
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before + y.Storage.ReservedBytes));
    }

    [Test]
    public void A_parameter_without_values_says_what_to_do() => Assert.That(() => new Parameter([2]).Value,
        Throws.InvalidOperationException.With.Message.EqualTo("this model has no weights yet: load or initialise it first"));

    [Test]
    public void A_parameter_takes_values_of_its_shape_only() => Assert.That(() => new Parameter([2, 3]).Set(_backend.Zeros([3, 2])),
        Throws.TypeOf<ShapeException>().With.Message.EqualTo("parameter: a parameter of shape (2, 3) cannot hold F32(3, 2) on cpu"));

    [Test]
    public void A_parameter_is_counted_by_what_it_does()
    {
        using var parameter = new Parameter([2]);
        parameter.Materialize(_backend, DType.F32);
        Assert.That((parameter.RequiresGrad, Bytes(MemoryKind.Frozen), Bytes(MemoryKind.Trainable)),
            Is.EqualTo((false, Arena.Granularity, 0L)));
        parameter.RequiresGrad = true;
        Assert.That((parameter.RequiresGrad, Bytes(MemoryKind.Frozen), Bytes(MemoryKind.Trainable)),
            Is.EqualTo((true, 0L, Arena.Granularity)));
        parameter.RequiresGrad = false;
        Assert.That((parameter.RequiresGrad, Bytes(MemoryKind.Frozen), Bytes(MemoryKind.Trainable)),
            Is.EqualTo((false, Arena.Granularity, 0L)));
    }

    [Test]
    public void A_parameter_that_stops_training_lets_go_of_its_gradient()
    {
        using var parameter = new Parameter([2]);
        parameter.Materialize(_backend, DType.F32);
        parameter.RequiresGrad = true;
        using (var tape = new Tape())
        {
            tape.Backward(parameter.Value * 2f, _backend.Zeros([2]));
        }
        Assert.That(parameter.Gradient, Is.Not.Null);
        parameter.RequiresGrad = false;
        Assert.That(parameter.Gradient, Is.Null);
        Assert.That(Bytes(MemoryKind.Gradient), Is.Zero);
    }

    [Test]
    public void New_values_of_a_parameter_that_trains_train_as_well()
    {
        using var parameter = new Parameter([2]);
        parameter.Materialize(_backend, DType.F32);
        parameter.RequiresGrad = true;
        parameter.Set(parameter.Value);
        parameter.Set(_backend.Zeros([2]));
        Assert.That(parameter.RequiresGrad);
        Assert.That(Bytes(MemoryKind.Trainable), Is.EqualTo(Arena.Granularity));
    }

    private long Bytes(MemoryKind kind) => _backend.Memory.Current(kind);
}
