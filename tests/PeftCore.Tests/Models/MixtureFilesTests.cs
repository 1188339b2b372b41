using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

/// <summary>Weight files of models with experts.</summary>
public sealed class MixtureFilesTests
{
    private CpuBackend _backend = null!;
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _directory = new TemporaryDirectory();
    }

    [TearDown]
    public void Close()
    {
        Assert.That(_backend.Memory.CurrentBytes, Is.Zero);
        _backend.Dispose();
        _directory.Dispose();
    }

    [TestCase("qwen3_moe", "model.layers.1.mlp.experts.4.up_proj.weight")]
    [TestCase("mixtral", "model.layers.0.block_sparse_moe.experts.3.w2.weight")]
    [TestCase("deepseek_v3", "model.layers.1.mlp.experts.7.gate_proj.weight")]
    public void A_saved_model_has_one_layer_an_expert_and_loads_again(string family, string tensor)
    {
        float[] before = Saved(family);

        using (var weights = WeightSource.OpenFile(_directory["out", "model.safetensors"]))
        {
            Assert.That(weights.Names, Does.Contain(tensor).And.None.Contains("experts.gate_up_proj"));
        }
        Assert.That(LogitsOf(_directory["out"]), Is.EqualTo(before));
    }

    [Test]
    public void A_file_with_fused_experts_loads_too()
    {
        float[] before = Saved("qwen3_moe");
        using (var source = WeightSource.OpenFile(_directory["out", "model.safetensors"]))
        {
            var tensors = source.Names.Where(name => !name.Contains(".experts.", StringComparison.Ordinal)).Select(source.Get)
                .Select(entry => new SafetensorsTensor(entry.Name, entry.DType, entry.Shape, entry.Bytes.ToArray())).ToList();
            const string Experts = "model.layers.1.mlp.experts.";
            tensors.Add(Fused(source, Experts + "gate_up_proj", [5, 48, 64], e => [$"{Experts}{e}.gate_proj", $"{Experts}{e}.up_proj"]));
            tensors.Add(Fused(source, Experts + "down_proj", [5, 64, 24], e => [$"{Experts}{e}.down_proj"]));
            Directory.CreateDirectory(_directory["fused"]);
            SafetensorsWriter.Write(_directory["fused", "model.safetensors"], tensors);
        }
        File.Copy(_directory["out", "config.json"], _directory["fused", "config.json"]);

        Assert.That(LogitsOf(_directory["fused"]), Is.EqualTo(before));
    }

    [Test]
    public void Layers_for_multi_token_prediction_are_left_out()
    {
        float[] before = Saved("deepseek_v3", config => config["num_nextn_predict_layers"] = 1);
        using (var source = WeightSource.OpenFile(_directory["out", "model.safetensors"]))
        {
            var tensors = source.Names.Select(source.Get)
                .Select(entry => new SafetensorsTensor(entry.Name, entry.DType, entry.Shape, entry.Bytes.ToArray())).ToList();
            tensors.Add(new SafetensorsTensor("model.layers.2.eh_proj.weight", "F32", [1], new byte[4]));
            Directory.CreateDirectory(_directory["more"]);
            SafetensorsWriter.Write(_directory["more", "model.safetensors"], tensors);
        }
        File.Copy(_directory["out", "config.json"], _directory["more", "config.json"]);

        Assert.That(LogitsOf(_directory["more"]), Is.EqualTo(before));
    }

    [Test]
    public void Weights_in_mxfp4_become_bf16_and_are_saved_so()
    {
        var (blocks, scales) = WriteMxfp4(rows => rows);

        using var scope = new TensorScope();
        var model = ModelLoader.Load(_directory["mxfp4"], _backend);
        var value = model.NamedParameters().Single(p => p.Path == "model.layers.0.mlp.experts.gate_up_proj").Parameter.Value;
        Assert.That(value.DType, Is.EqualTo(DType.BF16));
        float[] values = value.ToFloats(); // (4, 64, 64), the file's (4, 64, 2, 16) with its last axes before the second
        Assert.That(values, Is.EqualTo(Enumerable.Range(0, values.Length).Select(i =>
        {
            int e = i / 4096, column = i / 64 % 64, row = i % 64, at = (e * 64 + row) * 32 + column / 2;
            int bits = column % 2 == 0 ? blocks[at] & 15 : blocks[at] >> 4;
            float[] magnitudes = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6];
            return (bits > 7 ? -1 : 1) * magnitudes[bits & 7] * MathF.Pow(2, scales[at / 16] - 127);
        })));
        ModelWriter.Save(model, _directory["plain"], _directory["mxfp4"]);
        model.Dispose();
        using (var again = WeightSource.OpenFile(_directory["plain", "model.safetensors"]))
        {
            Assert.That(again.Get("model.layers.0.mlp.experts.gate_up_proj").DType, Is.EqualTo("BF16"));
        }
        Assert.That(JsonNode.Parse(File.ReadAllText(_directory["plain", "config.json"]))!.AsObject().ContainsKey("quantization_config"),
            Is.False);
    }

    [Test]
    public void Scales_of_another_shape_are_refused()
    {
        WriteMxfp4(rows => rows / 2);
        Assert.That(() => ModelLoader.Load(_directory["mxfp4"], _backend), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("gate_up_proj_scales").And.Message.Contains("MXFP4"));
    }

    /// <summary>Saves a model to "out", and returns its logits.</summary>
    private float[] Saved(string family, Action<JsonObject>? edit = null)
    {
        var config = TinyMixtures.Config(family);
        edit?.Invoke(config);
        Directory.CreateDirectory(_directory["in"]);
        File.WriteAllText(_directory["in", "config.json"], config.ToJsonString());
        var model = TinyMixtures.Declare(config);
        ModelLoader.Initialize(model, _backend, DType.F32, seed: 5);
        float[] logits = TinyMixtures.Logits(model, _backend);
        SafetensorsWriter.Write(_directory["in", "model.safetensors"], []);
        ModelWriter.Save(model, _directory["out"], _directory["in"]);
        model.Dispose();
        return logits;
    }

    private float[] LogitsOf(string directory)
    {
        var model = ModelLoader.Load(directory, _backend);
        float[] logits = TinyMixtures.Logits(model, _backend);
        model.Dispose();
        return logits;
    }

    private static SafetensorsTensor Fused(WeightSource source, string name, long[] shape, Func<int, string[]> parts) =>
        new(name, "F32", shape, Enumerable.Range(0, (int)shape[0]).SelectMany(parts)
            .SelectMany(part => source.Get(part + ".weight").Bytes.ToArray()).ToArray());

    /// <summary>Writes gpt-oss with the gate_up_proj of block 0 in MXFP4, and returns its blocks and scales.</summary>
    private (byte[] Blocks, byte[] Scales) WriteMxfp4(Func<int, int> scaleRows)
    {
        Saved("gpt_oss", config => config["quantization_config"] = new JsonObject { ["quant_method"] = "mxfp4" });
        const string Name = "model.layers.0.mlp.experts.gate_up_proj";
        byte[] blocks = new byte[4 * 64 * 2 * 16], scales = new byte[4 * scaleRows(64) * 2];
        new Random(3).NextBytes(blocks);
        for (int i = 0; i < scales.Length; i++)
        {
            scales[i] = (byte)(120 + i % 9);
        }
        Directory.CreateDirectory(_directory["mxfp4"]);
        using (var source = WeightSource.OpenFile(_directory["out", "model.safetensors"]))
        {
            var tensors = source.Names.Where(name => name != Name).Select(source.Get)
                .Select(entry => new SafetensorsTensor(entry.Name, entry.DType, entry.Shape, entry.Bytes.ToArray())).ToList();
            tensors.Add(new SafetensorsTensor(Name + "_blocks", "U8", [4, 64, 2, 16], blocks));
            tensors.Add(new SafetensorsTensor(Name + "_scales", "U8", [4, scaleRows(64), 2], scales));
            SafetensorsWriter.Write(_directory["mxfp4", "model.safetensors"], tensors);
        }
        File.Copy(_directory["in", "config.json"], _directory["mxfp4", "config.json"]);
        return (blocks, scales);
    }
}
