using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft.Diffusion;

/// <summary>LoRA files of diffusion pipelines in three layouts.</summary>
public sealed class DiffusionLoraTests
{
    private const string Block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1";

    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Make() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Remove() => _directory.Dispose();

    [TestCase("unet.PATH.to_q.lora_A.weight", "unet.PATH.to_q.lora_B.weight", "to_q")]
    [TestCase("unet.PATH.processor.to_q_lora.down.weight", "unet.PATH.processor.to_q_lora.up.weight", "to_q")]
    [TestCase("unet.PATH.processor.to_out_lora.down.weight", "unet.PATH.processor.to_out_lora.up.weight", "to_out.0")]
    [TestCase("unet.PATH.to_v.lora_linear_layer.down.weight", "unet.PATH.to_v.lora_linear_layer.up.weight", "to_v")]
    public void A_layout_of_diffusers_becomes_an_adapter_whose_alpha_is_its_rank(string down, string up, string module)
    {
        Write((down.Replace("PATH", Block, StringComparison.Ordinal), [2, 16]), (up.Replace("PATH", Block, StringComparison.Ordinal),
            [16, 2]));
        Import();
        var saved = SavedAdapter.Load(_directory["adapter"]);
        Assert.That(saved.Names, Is.EquivalentTo(new[] { $"base_model.model.{Block}.{module}.lora_A.weight",
            $"base_model.model.{Block}.{module}.lora_B.weight" }));
        Assert.That(saved.Config, Is.InstanceOf<LoraConfig>().With.Property("Rank").EqualTo(2).And.Property("Alpha").EqualTo(2));
    }

    [Test]
    public void Kohyas_names_are_taken_apart_and_its_alphas_kept()
    {
        const string Prefix = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_", Text =
            "lora_te_text_model_encoder_layers_3_self_attn_out_proj";
        Write((Prefix + "attn1_to_out_0.lora_down.weight", [4, 16]), (Prefix + "attn1_to_out_0.lora_up.weight", [16, 4]),
            (Prefix + "attn1_to_out_0.alpha", []), (Prefix + "ff_net_0_proj.lora_down.weight", [2, 16]),
            (Prefix + "ff_net_0_proj.lora_up.weight", [128, 2]), (Text + ".lora_down.weight", [4, 8]), (Text + ".lora_up.weight", [8, 4]));
        Assert.That(DiffusionLora.Import(_directory["lora.safetensors"], _directory["adapter"]), Has.Count.EqualTo(2));
        var saved = SavedAdapter.Load(_directory["adapter"]);
        Assert.That(saved.Modules, Is.EquivalentTo(new[] { $"{Block}.to_out.0",
            "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj" }));
        Assert.That(SavedAdapter.Load(_directory["adapter", "text_encoder"]).Modules,
            Is.EqualTo(new[] { "text_model.encoder.layers.3.self_attn.out_proj" }));
        var config = (LoraConfig)saved.Config;
        Assert.That(config.RankPattern.Count + config.AlphaPattern.Count, Is.EqualTo(2), "one module differs in rank and alpha");
    }

    [TestCase(false)]
    [TestCase(true)]
    public void A_written_file_comes_back_as_the_same_update(bool kohya)
    {
        Write(($"unet.{Block}.to_q.lora_A.weight", [2, 16]), ($"unet.{Block}.to_q.lora_B.weight", [16, 2]),
            ("unet.conv_in.lora_A.weight", [2, 4, 3, 3]), ("unet.conv_in.lora_B.weight", [16, 2, 1, 1]),
            ("unet.conv_in.alpha", []));
        Import();
        DiffusionLora.Export(_directory["adapter"], _directory["out", "lora.safetensors"], kohya);
        DiffusionLora.Import(_directory["out", "lora.safetensors"], _directory["again"]);
        Assert.That(Scaled("again"), Is.EqualTo(Scaled("adapter")).Within(1e-6f));
    }

    [TestCase("unet.conv_in.weight")]
    [TestCase("unet.x.processor.to_z_lora.down.weight")]
    [TestCase("lora_unet_down_blocks_0_unheard_of.lora_down.weight")]
    [TestCase("transformer.blocks.0.lora_A.weight")]
    public void A_name_of_no_layout_is_refused_with_the_layouts(string name)
    {
        Write((name, [2, 16]));
        var error = Assert.Throws<BadInputException>(Import);
        Assert.That(error.Message, Does.Contain($"tensor \"{name}\" is no LoRA tensor of a known layout; expected unet."));
    }

    [Test]
    public void A_missing_factor_is_named()
    {
        Write(("unet.conv_in.lora_A.weight", [2, 4, 3, 3]));
        var error = Assert.Throws<BadInputException>(Import);
        Assert.That(error.Message, Does.Contain("\"conv_in\" has only one of the two factors"));
    }

    private void Import() => DiffusionLora.Import(_directory["lora.safetensors"], _directory["adapter"]);

    private void Write(params (string Name, long[] Shape)[] tensors) => SafetensorsWriter.Write(_directory["lora.safetensors"],
        tensors.Select((tensor, i) => SafetensorsTensor.Of(tensor.Name, "F32", tensor.Shape,
            Kernels.Numbers.Random(i + 1, (int)tensor.Shape.Aggregate(1L, (product, extent) => product * extent)))));

    /// <summary>Every factor of a saved adapter, with B times α/r.</summary>
    private float[] Scaled(string directory)
    {
        var config = (LoraConfig)SavedAdapter.Load(_directory[directory]).Config;
        using var source = AdapterWeights.Open(_directory[directory, "adapter_model.safetensors"]);
        return [.. source.Names.Order(StringComparer.Ordinal).SelectMany(name =>
        {
            float[] values = source.Get(name).ToArray<float>();
            string module = name["base_model.model.".Length..name.IndexOf(".lora_", StringComparison.Ordinal)];
            double alpha = TargetMatching.Lookup(config.AlphaPattern, module, config.Alpha, "alpha_pattern");
            return name.Contains("lora_B", StringComparison.Ordinal) ? values.Select(value => (float)(value * alpha / 2)) : values;
        })];
    }
}
