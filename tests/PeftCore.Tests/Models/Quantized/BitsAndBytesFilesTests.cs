using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Quantized;

/// <summary>Files of bitsandbytes that are damaged, or that another version wrote.</summary>
public sealed class BitsAndBytesFilesTests : ModelTests
{
    private const string Name = "model.layers.0.self_attn.q_proj.weight", State = Name + ".quant_state.bitsandbytes__nf4";

    [TestCase("quant_type", "\"fp4\"", "not the one in the tensor's name")]
    [TestCase("quant_type", "\"int8\"", "expected one of nf4, fp4")]
    [TestCase("blocksize", "65", "expected a power of two")]
    [TestCase("blocksize", "16", "an integer from 32 to 4096")]
    [TestCase("blocksize", "128", "expected U8 (32)")]
    [TestCase("dtype", "\"float64\"", "expected one of float32, bfloat16, float16")]
    [TestCase("shape", "[64, 65]", "but the configuration makes it (64, 64)")]
    [TestCase("shape", "[64]", "but the configuration makes it (64, 64)")]
    [TestCase("shape", "null", "is missing, but the configuration")]
    [TestCase("nested_blocksize", "128", "expected 256")]
    [TestCase("nested_dtype", "\"bfloat16\"", "expected one of float32")]
    [TestCase("nested_offset", "1e99", "a number from")]
    [TestCase("nested_offset", "null", "nested_offset")]
    public void A_field_of_the_state_that_does_not_fit_is_named(string field, string value, string expected)
    {
        using var files = new EditedModel("llama_nf4_double");
        var state = JsonNode.Parse(files.BytesOf(State))!.AsObject();
        state[field] = JsonNode.Parse(value);
        byte[] bytes = Encoding.UTF8.GetBytes(state.ToJsonString());
        files.Put(State, "U8", [bytes.Length], bytes);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains(Name).And.Message.Contains(expected));
    }

    [TestCase(".absmax", "U8", 63, "expected U8 (64)")]
    [TestCase(".absmax", "F32", 64, "expected U8 (64)")]
    [TestCase(".nested_absmax", "F32", 2, "expected F32 (1)")]
    [TestCase(".quant_map", "F32", 15, "expected F32 (16)")]
    [TestCase(".quant_map", "F32", 16, "other maps are not supported")]
    [TestCase(".nested_quant_map", "F32", 256, "other maps are not supported")]
    [TestCase("", "U8", 2047, "expected 2048 bytes of codes")]
    public void A_tensor_that_does_not_fit_is_named(string part, string dtype, int count, string expected)
    {
        using var files = new EditedModel("llama_nf4_double");
        files.Put(Name + part, dtype, part.Length == 0 ? [count, 1] : [count]);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains(Name
            + part).And.Message.Contains(expected));
    }

    [TestCase("{", "JSON")]
    [TestCase("[]", "object")]
    [TestCase("""{"quant_type": "nf4", "quant_type": "fp4"}""", "quant_type")]
    public void A_state_that_is_no_object_is_refused(string json, string expected)
    {
        using var files = new EditedModel("llama_nf4");
        files.Put(State, "U8", [json.Length], Encoding.UTF8.GetBytes(json));
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains(State).And.Message.Contains(expected));
    }

    [TestCase(".absmax")]
    [TestCase(".quant_map")]
    [TestCase(".nested_absmax")]
    [TestCase(".nested_quant_map")]
    public void A_part_that_is_missing_is_named(string part)
    {
        using var files = new EditedModel("llama_nf4_double");
        files.Tensors.Remove(Name + part);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains($"its tensor \"{Name}{part}\" is missing"));
    }

    [Test]
    public void A_scale_that_is_no_number_is_named()
    {
        using var files = new EditedModel("llama_nf4");
        byte[] scales = files.BytesOf(Name + ".absmax");
        MemoryMarshal.Cast<byte, float>(scales.AsSpan())[5] = float.NaN;
        files.Put(Name + ".absmax", "F32", [64], scales);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains("has NaN as its scale 5"));

        using var eight = new EditedModel("llama_int8");
        eight.Put("model.layers.0.self_attn.q_proj.SCB", "F32", [64], MemoryMarshal.AsBytes(Enumerable.Repeat(float.PositiveInfinity,
            64).ToArray().AsSpan()).ToArray());
        Assert.That(() => Load(eight), Throws.TypeOf<BadInputException>().With.Message.Contains("as its scale 0"));
    }

    [TestCase("weight_format", "U8", 2, "a layout of bitsandbytes before 0.45")]
    [TestCase("weight_format", "I8", 0, "expected one U8")]
    public void A_layout_of_INT8_other_than_rows_is_refused(string name, string dtype, byte value, string expected)
    {
        using var files = new EditedModel("llama_int8");
        files.Put("model.layers.0.self_attn.q_proj." + name, dtype, [], [value]);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.Contains(expected));
    }

    [TestCase("F32", 4)]
    [TestCase("BF16", 2)]
    public void Codes_that_are_stored_as_another_dtype_are_the_same_bytes(string dtype, int size)
    {
        // bnb_4bit_quant_storage, for FSDP.
        using var files = new EditedModel("llama_nf4");
        var expected = NumbersOf(files);
        foreach (string name in files.Tensors.Keys.Where(name => files.Tensors[name].DType == "U8" && name.EndsWith(".weight",
            StringComparison.Ordinal)).ToArray())
        {
            byte[] codes = files.BytesOf(name);
            files.Put(name, dtype, [codes.Length / size, 1], codes);
        }
        Assert.That(NumbersOf(files), Is.EqualTo(expected));
    }

    [Test]
    public void A_head_that_is_stored_quantised_is_dequantised_and_told()
    {
        using var files = new EditedModel("llama_nf4");
        foreach (string part in new[] { "", ".absmax", ".quant_map", ".quant_state.bitsandbytes__nf4" })
        {
            files.Tensors.Remove("lm_head.weight" + part);
            const string source = "model.layers.0.mlp.gate_proj.weight";
            var tensor = files.Tensors[source + part];
            files.Put("lm_head.weight" + part, tensor.DType, tensor.Shape, files.BytesOf(source + part));
        }
        files.Put("model.embed_tokens.weight", "F32", 128, 64);
        files.Config["vocab_size"] = 128;
        using var model = Load(files);
        Assert.That(model.OutputLayer!.Weight.Value.DType, Is.EqualTo(DType.F32));
        Assert.That(model.OutputLayer.Weight.Value.ToFloats(), Is.EqualTo(
            model.NamedParameters().First(p => p.Path == "model.layers.0.mlp.gate_proj.weight").Parameter.Value.ToFloats()));
        Assert.That(Warnings, Has.Exactly(1).Contains("1 weights that are quantised with bitsandbytes (4 bits) are dequantised"));
    }

    [Test]
    public void Without_a_configuration_the_tensors_say_how_they_are_stored()
    {
        using var files = new EditedModel("llama_nf4_double");
        var expected = NumbersOf(files);
        files.Config.Remove("quantization_config");
        Assert.That(NumbersOf(files), Is.EqualTo(expected));
    }

    [TestCase("llama_nf4")]
    [TestCase("llama_nf4_double")]
    [TestCase("llama_fp4")]
    [TestCase("llama_int8")]
    public void A_plain_copy_has_the_same_numbers_and_no_configuration(string name)
    {
        using var directory = new TemporaryDirectory();
        string source = TestFiles.Fixture("hf", name, "base");
        ModelWriter.Dequantize(source, directory.FullPath);
        using var model = ModelLoader.Load(source, Backend);
        using var plain = ModelLoader.Load(directory.FullPath, Backend);
        foreach (var ((path, a), (_, b)) in model.NamedParameters().Zip(plain.NamedParameters()))
        {
            Assert.That(b.Value.DType, Is.EqualTo(DType.F32), path);
            Assert.That(b.Value.ToFloats(), Is.EqualTo(a.Value.ToFloats()), path);
        }
        Assert.That(File.ReadAllText(directory["config.json"]), Does.Not.Contain("quantization"));
        Assert.That(() => ModelWriter.Dequantize(directory.FullPath, source + "-out"), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("plain already"));
    }

    private Dictionary<string, float[]> NumbersOf(EditedModel files)
    {
        using var model = Load(files);
        return model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value.ToFloats());
    }
}
