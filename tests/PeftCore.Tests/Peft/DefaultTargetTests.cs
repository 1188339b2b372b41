using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Selective;
using PeftCore.Peft.Vera;
using PeftCore.Tensors;

namespace PeftCore.Tests.Peft;

/// <summary>The targets of configurations that name none.</summary>
public sealed class DefaultTargetTests
{
    // One fixture of each family, by model_type.
    private static readonly Dictionary<string, string> Fixtures = Directory.GetDirectories(TestFiles.Fixture("hf"))
        .Select(directory => Path.Combine(directory, "base", "config.json")).Where(File.Exists)
        .GroupBy(FixtureFamily.Of).ToDictionary(group => group.Key, group => group.Order().First());

    private static IEnumerable<string> Families => ModelFamilies.ModelTypes.Where(Fixtures.ContainsKey);

    [Test]
    public void Every_family_has_a_fixture_or_is_named_here() =>
        Assert.That(ModelFamilies.ModelTypes.Where(type => !Fixtures.ContainsKey(type) && !type.StartsWith("my_", StringComparison.Ordinal)),
            Is.EqualTo(new[] { "clip_text_model", "siglip", "siglip_vision_model" }));

    [TestCaseSource(nameof(Families))]
    public void Every_family_has_targets_of_methods_that_name_none(string family)
    {
        using var backend = new MetaBackend();
        using var scope = new TensorScope();
        var model = ModelLoader.Declare(ConfigReader.Open(Fixtures[family]));
        ModelLoader.Initialize(model, backend, DType.F32);
        foreach (var config in (PeftConfig[])[new LoraConfig(), new VeraConfig(), new Ia3Config(), new LnTuningConfig()])
        {
            var peft = new PeftModel(model);
            peft.AddAdapter(config);
            Assert.That(peft.TrainableCount, Is.Positive, $"{config.GetType().Name}");
            peft.Unload();
        }
    }

    [TestCaseSource(nameof(Families))]
    public void LN_tuning_changes_all_norms_that_its_names_say(string family)
    {
        var model = ModelLoader.Declare(ConfigReader.Open(Fixtures[family]));
        var names = DefaultTargets.For(family, "LN_TUNING").Names!;
        // Blocks of Falcon have one norm or two, under other names in its new architecture.
        Assert.That(DefaultTargets.In(model, "LN_TUNING").Names, family == "falcon" ? Is.SubsetOf(names) : Is.EqualTo(names));
    }

    [TestCase("gpt_neox", "IA3", "query_key_value,dense_4h_to_h")]
    [TestCase("gpt_neo", "IA3", "q_proj,v_proj,c_proj")]
    [TestCase("opt", "IA3", "q_proj,k_proj,fc2")]
    [TestCase("bloom", "IA3", "query_key_value,mlp.dense_4h_to_h")]
    [TestCase("falcon", "LN_TUNING", "input_layernorm,post_attention_layernorm,ln_attn,ln_mlp,ln_f")]
    [TestCase("gemma2", "LN_TUNING",
        "input_layernorm,post_attention_layernorm,pre_feedforward_layernorm,post_feedforward_layernorm,norm")]
    [TestCase("opt", "ADALORA", "q_proj,k_proj,v_proj,out_proj,fc1,fc2")]
    [TestCase("roberta", "ADALORA", "query,key,value,dense")]
    [TestCase("roberta", "VBLORA", "query,value")]
    [TestCase("gpt2", "C3A", "mlp.c_proj")]
    [TestCase("gpt2", "FOURIERFT", "mlp.c_proj")]
    [TestCase("phi", "LORA", "q_proj,v_proj,fc1,fc2")]
    [TestCase("phi", "VERA", "q_proj,v_proj")]
    [TestCase("qwen3", "LN_TUNING", "post_attention_layernorm")]
    public void Targets_are_those_of_Hugging_Face_PEFT(string family, string method, string names) =>
        Assert.That(DefaultTargets.For(family, method).Names, Is.EqualTo(names.Split(',')));

    [Test]
    public void Feed_forward_layers_of_IA3_are_among_its_targets([ValueSource(nameof(Families))] string family) =>
        Assert.That(DefaultTargets.FeedforwardFor(family).Names!.Except(DefaultTargets.For(family, "IA3").Names!), Is.Empty);
}
