using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Io.Gguf;
using PeftCore.Models;

namespace PeftCore.Tests.Io.Gguf;

/// <summary>Adapters written as GGUF files: each layer's (α/r)·B·A, read back, is that of the adapter.</summary>
public sealed class GgufAdapterTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void Open() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Close() => _directory.Dispose();

    [TestCase("llama", "lora")]
    [TestCase("llama", "lora_all_linear")]
    [TestCase("llama", "lora_rslora")]
    [TestCase("llama", "lora_patterns")]
    [TestCase("qwen3", "lora")]
    [TestCase("gpt2", "lora_all_linear")]
    public void The_update_of_each_layer_is_that_of_the_adapter(string family, string method)
    {
        string adapter = TestFiles.Fixture("hf", family, method), path = _directory["a.gguf"];
        ModelWriter.ExportGguf(TestFiles.Fixture("hf", family, "base"), path, adapter);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!;
        using var stored = WeightSource.OpenFile(Path.Combine(adapter, "adapter_model.safetensors"));
        using var file = GgufFile.Open(path);
        double alpha = file.Get("adapter.lora.alpha").Number;
        string[] layers = [.. stored.Names.Where(name => name.EndsWith(".lora_A.weight", StringComparison.Ordinal))];
        Assert.That(file.Tensors, Has.Count.EqualTo(2 * layers.Length));
        Assert.That((file.Get("general.type").Text, file.Get("adapter.type").Text), Is.EqualTo(("adapter", "lora")));
        foreach (string name in layers)
        {
            string module = name["base_model.model.".Length..^".lora_A.weight".Length];
            var (written, layout) = GgufArchitecture.OfModel(family)!.ToFile(module)!.Value;
            GgufTensor a = file.Tensors[written + ".weight.lora_a"], b = file.Tensors[written + ".weight.lora_b"];
            float[] left = stored.Get(name).ToFloats(),
                right = stored.Get(name.Replace("lora_A", "lora_B", StringComparison.Ordinal)).ToFloats();
            int rank = (int)a.Shape[0], inputs = (int)a.Shape[1], outputs = (int)b.Shape[0], headDim = family == "gpt2" ? 1 : 8;
            float[] readA = Floats(file, a), readB = Floats(file, b);
            double scale = ScaleOf(config, module, rank);
            for (int row = 0; row < outputs; row++)
            {
                long place = layout is GgufLayout.QueryRows or GgufLayout.KeyRows ? GgufRows.InFile(row, headDim) : row;
                for (int column = 0; column < inputs; column++)
                {
                    double expected = 0, found = 0;
                    for (int r = 0; r < rank; r++)
                    {
                        expected += scale * right[row * rank + r] * left[r * inputs + column];
                        found += alpha / rank * readB[place * rank + r] * readA[r * inputs + column];
                    }
                    Assert.That(found, Is.EqualTo(expected).Within(1e-5), module);
                }
            }
        }
    }

    [TestCase("lora_dora", "is a DoRA")]
    [TestCase("lora_pissa", "changed its base")]
    [TestCase("ia3", "is IA3")]
    [TestCase("lora_lora_bias", "is no factor of a LoRA")]
    [TestCase("lora_modules_to_save", "is no factor of a LoRA")]
    public void What_llama_cpp_has_no_place_for_is_refused(string method, string sentence) =>
        Assert.That(() => ModelWriter.ExportGguf(TestFiles.Fixture("hf", "llama", "base"), _directory["a.gguf"],
            TestFiles.Fixture("hf", "llama", method)), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));

    [Test]
    public void A_type_or_a_base_that_is_not_written_is_refused()
    {
        string adapter = TestFiles.Fixture("hf", "llama", "lora");
        Assert.That(() => ModelWriter.ExportGguf(TestFiles.Fixture("hf", "llama", "base"), _directory["a.gguf"], adapter, "q4_k"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("choose f32, f16, bf16, q8_0"));
        Assert.That(() => ModelWriter.ExportGguf(TestFiles.Fixture("hf", "opt", "base"), _directory["a.gguf"], adapter),
            Throws.TypeOf<BadInputException>().With.Message.Contains("\"opt\""));
    }

    private static double ScaleOf(JsonNode config, string module, int rank)
    {
        double alpha = (double)config["lora_alpha"]!;
        foreach (var (pattern, value) in config["alpha_pattern"]!.AsObject())
        {
            alpha = module.EndsWith(pattern, StringComparison.Ordinal) || System.Text.RegularExpressions.Regex.IsMatch(module, pattern)
                ? (double)value! : alpha;
        }
        return (bool)config["use_rslora"]! ? alpha / Math.Sqrt(rank) : alpha / rank;
    }

    private static float[] Floats(GgufFile file, GgufTensor tensor) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(
        file.Bytes.Span(tensor.Offset, (int)tensor.Length)).ToArray();
}
