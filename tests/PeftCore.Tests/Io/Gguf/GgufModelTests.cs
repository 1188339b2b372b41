using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Io.Gguf;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Io.Gguf;

/// <summary>Models written as GGUF files and read again.</summary>
public sealed class GgufModelTests
{
    private CpuBackend _backend;
    private TemporaryDirectory _directory;

    [SetUp]
    public void Open() => (_backend, _directory) = (new CpuBackend(1, poison: true), new TemporaryDirectory());

    [TearDown]
    public void Close()
    {
        _backend.Dispose();
        _directory.Dispose();
    }

    [Test]
    public void A_model_written_in_F32_gives_the_logits_of_its_directory_to_the_bit([Values("llama", "qwen2", "qwen3", "gpt2", "llama_yarn",
        "llama_linear")] string family)
    {
        string source = TestFiles.Fixture("hf", family, "base");
        ModelWriter.ExportGguf(source, _directory["m.gguf"], type: "f32");
        Assert.That(LogitsOf(_directory["m.gguf"]), Is.EqualTo(LogitsOf(source)));
        Assert.That(LogitsOf(_directory.FullPath), Is.EqualTo(LogitsOf(source)), "the directory with the one file");
    }

    [TestCase("f16", 2e-3)]
    [TestCase("bf16", 2e-2)]
    [TestCase("q8_0", 5e-2)]
    public void A_narrow_type_gives_near_logits(string type, double tolerance)
    {
        string source = TestFiles.Fixture("hf", "llama", "base");
        ModelWriter.ExportGguf(source, _directory["m.gguf"], type: type);
        Assert.That(Fixtures.Error(LogitsOf(_directory["m.gguf"], DType.F32), LogitsOf(source)), Is.LessThan(tolerance));
        using var model = Load(_directory["m.gguf"]);
        var (matrix, norm) = (model.Find("model.layers.0.mlp.up_proj")!, model.Find("model.norm")!);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(matrix.NamedParameters().First().Parameter.Value.DType, Is.EqualTo(type == "f16" ? DType.F16 : DType.BF16));
            Assert.That(norm.NamedParameters().First().Parameter.Value.DType, Is.EqualTo(DType.F32));
        }
    }

    [Test]
    public void Divisors_of_Llama_3_become_its_scaling_and_others_stay_divisors()
    {
        float[] divisors = GgufRope.Llama3(500_000, 64, 32, 1, 4, 8192);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ScalingOf(divisors), Does.Contain("\"llama3\"").And.Contains("\"factor\":32"));
            Assert.That(ScalingOf([.. divisors.Select(divisor => divisor * 1.5f)]), Does.Contain("\"longrope\""));
            Assert.That(ScalingOf([.. divisors.Select(_ => 1f)]), Is.EqualTo("null"));
        }

        string ScalingOf(float[] values)
        {
            File.WriteAllBytes(_directory["r.gguf"], new GgufBytes().Tensor(GgufRope.Divisors, 0, [values.Length],
                [.. values.SelectMany(BitConverter.GetBytes)]).ToArray());
            using var file = GgufFile.Open(_directory["r.gguf"]);
            return GgufRope.Scaling(file, "llama.", 500_000, 64, 131072)?.ToJsonString() ?? "null";
        }
    }

    [Test]
    public void Rows_of_q_and_k_are_moved_and_moved_back()
    {
        long[] order = [.. Enumerable.Range(0, 24).Select(row => GgufRows.InFile(row, 8))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(order[..8], Is.EqualTo(new[] { 0L, 2, 4, 6, 1, 3, 5, 7 }));
            Assert.That(order.Order(), Is.EqualTo(Enumerable.Range(0, 24)));
            Assert.That(order.Select(row => GgufRows.InModel(row, 8)), Is.EqualTo(Enumerable.Range(0, 24)));
        }
    }

    [Test]
    public void Pieces_of_a_tensor_that_begin_anywhere_are_pieces_of_the_whole([Values("attn_q", "token_embd", "ffn_down")] string module)
    {
        ModelWriter.ExportGguf(TestFiles.Fixture("hf", "llama", "base"), _directory["m.gguf"], type: "q8_0");
        using var weights = new GgufModel(_directory["m.gguf"]).OpenWeights();
        var entry = weights.Get(module switch
        {
            "attn_q" => "model.layers.1.self_attn.q_proj.weight",
            "ffn_down" => "model.layers.1.mlp.down_proj.weight",
            _ => "model.embed_tokens.weight",
        });
        byte[] whole = entry.Bytes.ToArray();
        var random = new Random(5);
        for (int trial = 0; trial < 200; trial++)
        {
            int first = random.Next(whole.Length / 4) * 4, length = random.Next((whole.Length - first) / 4 + 1) * 4;
            Assert.That(entry.Span(first, length).SequenceEqual(whole.AsSpan(first, length)), $"{first} {length}");
        }
    }

    [Test]
    public void A_merged_gguf_model_is_a_directory_that_loads()
    {
        string source = TestFiles.Fixture("hf", "gpt2", "base");
        ModelWriter.ExportGguf(source, _directory["m.gguf"], type: "f32");
        using (var model = Load(_directory["m.gguf"]))
        {
            ModelWriter.Save(model, _directory["out"], _directory["m.gguf"]);
        }
        Assert.That(LogitsOf(_directory["out"]), Is.EqualTo(LogitsOf(source)));
    }

    [Test]
    public void Files_that_hold_no_model_that_is_read_are_refused_with_a_sentence()
    {
        Refused(new GgufBytes(), "lack \"general.architecture\"");
        Refused(new GgufBytes().Value("general.architecture", "rwkv7"), "llama, qwen2, qwen3, gpt2 are read");
        Refused(new GgufBytes().Value("general.type", "adapter"), "is \"adapter\", expected \"model\"");
        Refused(new GgufBytes().Value("split.count", 2), "llama-gguf-split --merge");
        Refused(new GgufBytes().Value("general.architecture", "llama").Value("llama.expert_count", 8), "mixtures of experts");
        File.WriteAllBytes(_directory["b.gguf"], new GgufBytes().ToArray());
        Assert.That(() => ModelDirectory.Open(_directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("2 GGUF files"));
    }

    private void Refused(GgufBytes file, string sentence)
    {
        File.WriteAllBytes(_directory["a.gguf"], file.ToArray());
        Assert.That(() => ModelLoader.Load(_directory["a.gguf"], _backend),
            Throws.TypeOf<BadInputException>().With.Message.Contains("a.gguf").And.Message.Contains(sentence));
    }

    private TransformerModel Load(string path, DType? dtype = null) => ModelLoader.Load(path, _backend, dtype);

    private float[] LogitsOf(string path, DType? dtype = null)
    {
        using var scope = new TensorScope();
        using var model = Load(path, dtype);
        int[] ids = [.. Enumerable.Range(0, 24).Select(i => 3 + i * 7 % 80)];
        return model.Logits(ModelInputs.From(_backend, ids, 2, [.. ids.Select(_ => 1)])).ToArray<float>();
    }
}
