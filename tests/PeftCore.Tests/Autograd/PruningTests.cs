using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Autograd;

/// <summary>Gradients are computed only for trained parameters: before the first trained parameter nothing is recorded or saved.</summary>
public sealed class PruningTests
{
    private const int Rows = TinyModels.Batch * TinyModels.Length;

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
    public void With_an_adapter_on_the_top_layer_nothing_below_it_is_recorded()
    {
        var model = TinyModels.Llama(_backend);
        TinyModels.WithLora(model, ModuleSelector.Of("q_proj"), layers: [3]);
        using var tape = new Tape();
        TinyModels.Loss(model);
        Assert.That(tape.Nodes.Select(node => $"{node.Path}: {node.Op}"), Is.EqualTo(new[]
        {
            "layers.3.self_attn.q_proj: lora_linear",
            "layers.3.self_attn: rope",
            "layers.3.self_attn: attention",
            "layers.3.self_attn.o_proj: linear",
            "layers.3: add",
            "layers.3.post_attention_layernorm: rms_norm",
            "layers.3.mlp.gate_proj+up_proj: lora_linear",
            "layers.3.mlp: gated_Silu",
            "layers.3.mlp.down_proj: linear",
            "layers.3: add",
            "norm: rms_norm",
            "lm_head: linear_cross_entropy",
            "lm_head: scale",
        }));
    }

    [Test]
    public void With_an_adapter_on_the_top_layer_the_saved_bytes_are_what_that_layer_needs()
    {
        var model = TinyModels.Llama(_backend);
        TinyModels.WithLora(model, ModuleSelector.Of("q_proj"), layers: [3]);
        using var tape = new Tape();
        TinyModels.Loss(model);
        long hidden = Floats(Rows * TinyModels.Hidden), keys = Floats(Rows * 8), inner = Floats(Rows * TinyModels.Inner),
            row = Floats(Rows);
        long lora = hidden + Floats(Rows * 2); // x, s
        long attention = row + hidden + keys + keys + hidden + Floats(Rows * 4); // positions; q, k, v, o, log-sum-exp
        long mlp = hidden + row + inner + inner; // the norm's x and rstd, gate, up
        long head = hidden + row + hidden + Floats(1); // the norm's x and rstd, the gradient of the loss, what divides it
        Assert.That(tape.SavedBytes, Is.EqualTo(lora + attention + mlp + head));
    }

    [Test]
    public void An_adapter_on_v_alone_leaves_the_lowest_layer_without_o_and_v()
    {
        var model = TinyModels.Llama(_backend);
        TinyModels.WithLora(model, ModuleSelector.Of("v_proj"), layers: [3]);
        using var tape = new Tape();
        TinyModels.Loss(model);
        var attention = tape.Nodes.Single(node => node.Op == "attention");
        Assert.That(attention.SavedTensors.Select(saved => saved.Name), Is.EqualTo(new[] { "q", "k", "lse" }));
        Assert.That(tape.Nodes.Select(node => node.Op), Has.None.EqualTo("rope"));
    }

    [Test]
    public void The_adapters_of_q_k_and_v_share_one_saved_input()
    {
        var model = TinyModels.Llama(_backend);
        TinyModels.WithLora(model, ModuleSelector.Of("q_proj", "k_proj", "v_proj"), layers: [3]);
        using var tape = new Tape();
        TinyModels.Loss(model);
        var lora = tape.Nodes.Where(node => node.Op == "lora_linear").SelectMany(node => node.SavedTensors).ToList();
        var inputs = lora.Where(saved => saved.Name == "x").Select(saved => saved.Tensor.Storage).ToList();
        Assert.That(inputs, Has.Count.EqualTo(1));
        var others = tape.Nodes.Where(node => node.Op != "lora_linear").SelectMany(node => node.SavedTensors)
            .Select(saved => saved.Tensor.Storage);
        Assert.That(tape.SavedBytes, Is.EqualTo(
            others.Distinct().Sum(storage => storage.ReservedBytes) + Floats(Rows * TinyModels.Hidden) + 3 * Floats(Rows * 2)));
    }

    [Test]
    public void A_frozen_model_records_nothing()
    {
        var model = TinyModels.Llama(_backend);
        TinyModels.WithLora(model, ModuleSelector.Parse(ModuleSelector.AllLinear)).Freeze();
        using var tape = new Tape();
        var loss = TinyModels.Loss(model);
        Assert.That(tape.Nodes, Is.Empty);
        Assert.That(tape.SavedBytes, Is.Zero);
        Assert.That(loss.RequiresGrad, Is.False);
    }

    [Test]
    public void Without_a_tape_and_under_NoGrad_nothing_is_recorded_and_the_loss_is_the_same_bits()
    {
        var model = TinyModels.Llama(_backend);
        TinyModels.WithLora(model, ModuleSelector.Parse(ModuleSelector.AllLinear));
        float without = TinyModels.Loss(model).Item();
        using var tape = new Tape();
        float under = Tape.NoGrad(() => TinyModels.Loss(model)).Item();
        Assert.That(tape.Nodes, Is.Empty);
        float recorded = TinyModels.Loss(model).Item();
        Assert.That(tape.Nodes, Is.Not.Empty);
        Assert.That(new[] { under, recorded }, Is.All.EqualTo(without));
    }

    [Test]
    public void Full_training_records_every_block()
    {
        var model = TinyModels.Llama(_backend);
        model.SetRequiresGrad(true);
        using var tape = new Tape();
        TinyModels.Loss(model);
        Assert.That(tape.Nodes[0].Path, Is.EqualTo("embed_tokens"));
        Assert.That(tape.Nodes.Select(node => node.Path.Split('.')).Where(path => path[0] == "layers").Select(path => path[1]).Distinct(),
            Is.EqualTo(new[] { "0", "1", "2", "3" }));
    }

    private static long Floats(long count) => Arena.Round(sizeof(float) * count);
}
