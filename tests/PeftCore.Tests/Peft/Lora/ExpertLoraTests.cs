using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Models;

namespace PeftCore.Tests.Peft.Lora;

/// <summary>LoRA on fused experts, which target_parameters names.</summary>
public sealed class ExpertLoraTests
{
    private const string GateUp = "mlp.experts.gate_up_proj", Down = "mlp.experts.down_proj";

    private static readonly LoraConfig Config = new() { Rank = 2, TargetModules = ModuleSelector.Of(), TargetParameters = [GateUp, Down] };

    private CpuBackend _backend = null!;
    private PeftModel _model = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _model = new PeftModel(TinyMixtures.Model("mixtral", _backend));
    }

    [TearDown]
    public void Close()
    {
        _model.Unload();
        _model.Base.Dispose();
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
        _backend.Dispose();
    }

    [Test]
    public void Names_follow_the_nested_wrappers_of_peft()
    {
        _model.AddAdapter(Config);
        var names = _model.Parameters.Select(p => p.Name).Where(name => name.Contains("layers.0", StringComparison.Ordinal));
        Assert.That(names, Is.EqualTo(new[]
        {
            "base_model.model.model.layers.0.mlp.experts.base_layer.lora_A.default.weight",
            "base_model.model.model.layers.0.mlp.experts.base_layer.lora_B.default.weight",
            "base_model.model.model.layers.0.mlp.experts.lora_A.default.weight",
            "base_model.model.model.layers.0.mlp.experts.lora_B.default.weight",
        }));
    }

    [Test]
    public void One_parameter_alone_has_no_further_wrapper()
    {
        _model.AddAdapter(Config with { TargetParameters = [GateUp] });
        Assert.That(_model.Parameters.First().Name, Is.EqualTo("base_model.model.model.layers.0.mlp.experts.lora_A.default.weight"));
        Assert.That(_model.Parameters.First().Parameter.Shape, Is.EqualTo(Shape.Of(4 * 2, 64)));
    }

    [Test]
    public void A_new_adapter_changes_nothing_and_a_merged_one_computes_the_same()
    {
        float[] before = TinyMixtures.Logits(_model.Base, _backend);
        _model.AddAdapter(Config);
        Assert.That(TinyMixtures.Logits(_model.Base, _backend), Is.EqualTo(before));
        ulong stream = 0;
        foreach (var (_, parameter) in _model.Parameters)
        {
            _backend.FillNormal(parameter.Value, 0, 0.3f, 7, stream++);
        }
        float[] adapted = TinyMixtures.Logits(_model.Base, _backend);
        Assert.That(adapted, Is.Not.EqualTo(before).Within(1e-4f));
        _model.Merge();
        Assert.That(TinyMixtures.Logits(_model.Base, _backend), Is.EqualTo(adapted).Within(1e-5f));
        _model.Unmerge();
        Assert.That(TinyMixtures.Logits(_model.Base, _backend), Is.EqualTo(adapted));
    }

    [Test]
    public void Names_of_linear_layers_do_not_select_fused_experts() => Assert.That(
        () => _model.AddAdapter(Config with { TargetModules = ModuleSelector.Of("down_proj"), TargetParameters = null }),
        Throws.TypeOf<BadInputException>().With.Message.Contains("down_proj"));

    [Test]
    public void A_name_that_selects_nothing_is_refused_with_the_names_there_are() => Assert.That(
        () => _model.AddAdapter(Config with { TargetParameters = ["experts.up_proj"] }),
        Throws.TypeOf<BadInputException>().With.Message.Contains("experts.up_proj").And.Message.Contains("experts.gate_up_proj"));

    [Test]
    public void What_peft_refuses_for_parameters_is_refused()
    {
        foreach (var (config, field) in new[]
        {
            (Config with { Dropout = 0.1 }, "lora_dropout"), (Config with { LoraBias = true }, "lora_bias"),
            (Config with { UseDora = true }, "use_dora"), (Config with { Init = LoraInit.Pissa }, "init_lora_weights"),
            (Config with { LayersToTransform = [0] }, "layers_to_transform"),
        })
        {
            Assert.That(() => _model.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(field));
        }
    }
}
