using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Training;

/// <summary>What a whole step of training takes from memory, seen allocation by allocation.</summary>
public sealed class StepMemoryTests
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
    public void No_gradient_of_a_frozen_weight_is_ever_made(
        [Values("llama", "gpt2")] string family, [Values] bool checkpointing, [Values("gaussian", "pissa", "dora")] string method)
    {
        var model = WideModel(family);
        model.GradientCheckpointing = checkpointing;
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig
        {
            Rank = 2,
            TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear),
            Init = method == "pissa" ? LoraInit.Pissa : LoraInit.Gaussian,
            UseDora = method == "dora",
        });
        using var optimizer = new AdamW(peft.Parameters);
        Step(model, optimizer); // DoRA finds the norms of frozen weights once
        var frozen = model.NamedParameters().Where(p => !p.Parameter.RequiresGrad && p.Parameter.Shape.Rank == 2)
            .Select(p => p.Parameter.Value.Storage.ReservedBytes).ToHashSet();
        var taken = new List<MemoryEvent>();

        _backend.Memory.Watcher = taken.Add;
        Step(model, optimizer);
        _backend.Memory.Watcher = null;

        var allocated = taken.Where(e => e.Bytes > 0).ToList();
        Assert.That(allocated.Where(e => frozen.Contains(e.Bytes)), Is.Empty, "memory of a frozen weight's size");
        Assert.That(allocated.Where(e => e.Kind == MemoryKind.Gradient).Select(e => e.Bytes),
            Is.EquivalentTo(peft.Parameters.Select(p => p.Parameter.Value.Storage.ReservedBytes)));
        Assert.That(model.NamedParameters().Where(p => !p.Parameter.RequiresGrad).Select(p => p.Parameter.Gradient), Is.All.Null);
    }

    [Test]
    public void A_step_ends_with_exactly_the_bytes_it_began_with(
        [Values("llama", "gpt2")] string family, [Values] bool checkpointing, [Values] bool full)
    {
        TransformerModel model = family == "llama" ? TinyModels.Llama(_backend) : TinyModels.Gpt2(_backend);
        model.GradientCheckpointing = checkpointing;
        IReadOnlyList<(string, Parameter)> parameters;
        if (full)
        {
            model.SetRequiresGrad(true);
            parameters = [.. model.NamedParameters()];
        }
        else
        {
            parameters = TinyModels.WithLora(model, ModuleSelector.Parse(ModuleSelector.AllLinear), dropout: 0.1).Parameters;
        }
        model.Mode.Training = true;
        using var optimizer = new AdamW(parameters);
        Step(model, optimizer); // the first one builds what the model keeps, such as rotary tables
        long[] before = Bytes();
        for (int i = 0; i < 3; i++)
        {
            Step(model, optimizer);
            Assert.That(Bytes(), Is.EqualTo(before));
        }
    }

    [Test]
    public void A_freed_model_leaves_nothing_behind([Values("llama", "gpt2")] string family)
    {
        long before = _backend.Memory.CurrentBytes;
        using (new TensorScope())
        {
            TransformerModel model = family == "llama" ? TinyModels.Llama(_backend) : TinyModels.Gpt2(_backend);
            model.SetRequiresGrad(true);
            using (var tape = new Tape())
            {
                tape.Backward(TinyModels.Loss(model));
            }
            model.Dispose();
        }
        Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
    }

    private long[] Bytes() => [_backend.Memory.CurrentBytes, .. Enum.GetValues<MemoryKind>().Select(_backend.Memory.Current)];

    private static void Step(TransformerModel model, Optimizer optimizer)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        tape.Backward(TinyModels.Loss(model));
        optimizer.Step(1e-3);
        optimizer.FreeGradients();
    }

    /// <summary>No activation of these extents has the size of a weight.</summary>
    private TransformerModel WideModel(string family)
    {
        TransformerModel model = family == "llama"
            ? new Decoder(TinyModels.LlamaSpec with
            {
                VocabularySize = 200,
                HiddenSize = 40,
                IntermediateSize = 88,
                HeadDim = 10,
                Rope = new RopeSpec(10000, new DefaultRope(), 10),
                Layers = 2
            })
            : new Decoder(Gpt2.Of(200, 40, 88, 2, 4, 70));
        ModelLoader.Initialize(model, _backend, DType.F32);
        return model;
    }
}
