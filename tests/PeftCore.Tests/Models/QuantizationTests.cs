using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Tests.Models;

/// <summary>Models quantised by a method that is not read cause an error that names it, before any error about missing tensors.</summary>
public sealed class QuantizationTests : ModelTests
{
    [TestCase("""{"quant_method": "gptq", "bits": 5, "group_size": 128}""", "gptq (5 bits)")]
    [TestCase("""{"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}""", "gptq (4 bits)")]
    [TestCase("""{"quant_method": "awq", "bits": 4, "version": "gemv"}""", "awq (4 bits)")]
    [TestCase("""{"quant_method": "fp8", "fmt": "e5m2"}""", "fp8 (e5m2)")]
    [TestCase("""{"quant_method": "modelopt", "quant_algo": "NVFP4"}""", "modelopt")]
    [TestCase("""{"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}""", "compressed-tensors (nvfp4-pack-quantized)")]
    [TestCase("""{"quant_method": "hqq"}""", "hqq")]
    [TestCase("""{"quant_method": null}""", "a method it does not name")]
    [TestCase("{}", "a method it does not name")]
    public void A_configuration_that_names_a_method_is_refused_with_it(string field, string method)
    {
        using var files = new EditedModel("llama");
        files.Config["quantization_config"] = JsonNode.Parse(field);
        files.Tensors.Clear(); // Not one of the model's tensors is there, and none is missed.
        files.Put("x", "U8", 1);
        Assert.That(() => Load(files),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo($"{Path.Combine(files.FullPath, "config.json")}: " +
            $"field \"quantization_config\" says that the weights are quantised with {method}, which is not supported; take the model as " +
            "it was before, or convert it once " +
            "in Python with transformers: from_pretrained(dir), dequantize(), save_pretrained(out), and if the weights are plain " +
            "already, remove the field."));
        Assert.That(() => ModelLoader.Declare(ConfigReader.Open(Path.Combine(files.FullPath, "config.json"))),
            Throws.TypeOf<BadInputException>());
    }

    [TestCase("compression_config", """{"quant_method": "compressed-tensors"}""", "compressed-tensors")]
    [TestCase("quantization", """{"group_size": 64, "bits": 4}""", "MLX (4 bits)")]
    public void Other_fields_that_mean_the_same_are_known(string field, string value, string method)
    {
        using var files = new EditedModel("llama");
        files.Config[field] = JsonNode.Parse(value);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains($"quantised with {method},"));
    }

    [Test]
    public void Null_means_that_nothing_is_quantised()
    {
        using var files = new EditedModel("llama");
        files.Config["quantization_config"] = null;
        Assert.That(LossOf(Load(files), "llama"), Is.EqualTo(ExpectedLoss("llama")).Within(1e-5));
    }

    [TestCase("scales", "F16", "MLX, GPTQ or AWQ")]
    [TestCase("weight_scale_2", "F32", "NVFP4")]
    [TestCase("W_q", "U8", "HQQ")]
    public void Tensors_of_a_method_are_told_when_the_configuration_is_silent(string name, string dtype, string method) =>
        Assert.That(() => LoadWith(name, dtype), Throws.TypeOf<BadInputException>().With.Message.Contains(
            $": the weights are quantised with {method}, as the tensor \"model.layers.0.mlp.up_proj.{name}\" shows, which is not supported; "));

    [TestCase("g_idx", "I32", "GPTQ")]
    [TestCase("qweight", "I32", "GPTQ or AWQ")]
    [TestCase("qzeros", "I32", "GPTQ or AWQ")]
    [TestCase("weight_packed", "I32", "compressed-tensors")]
    public void Tensors_that_need_a_configuration_are_told_without_one(string name, string dtype, string method) =>
        Assert.That(() => LoadWith(name, dtype), Throws.TypeOf<BadInputException>().With.Message.Contains(
            $": the weights are quantised with {method}, as the tensor \"model.layers.0.mlp.up_proj.{name}\" shows, but ")
            .And.Message.EndsWith("does not say how; add the \"quantization_config\" that the model was saved with."));

    private TransformerModel LoadWith(string name, string dtype)
    {
        using var files = new EditedModel("llama");
        files.Tensors.Remove("model.layers.0.mlp.up_proj.weight");
        files.Put("model.layers.0.mlp.up_proj." + name, dtype, 4);
        return Load(files);
    }

    [TestCase("F8_E4M3", "FP8 without scales")]
    [TestCase("U8", "a method of U8 matrices")]
    [TestCase("I8", "a method of I8 matrices")]
    public void A_matrix_of_bytes_is_no_plain_weight(string dtype, string method)
    {
        using var files = new EditedModel("llama");
        files.Put("model.layers.0.mlp.up_proj.weight", dtype, 56, 32);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains($"quantised with {method}, as the tensor"));
    }
}
