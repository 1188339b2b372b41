using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Models.Quantized;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Quantized;

/// <summary>Models whose linear layers are quantised while they are loaded.</summary>
public sealed class QuantizedLoadingTests : ModelTests
{
    private static readonly QuantizationOptions[] Options =
    [
        new() { Type = "nf4" }, new() { Type = "nf4", UseDoubleQuantization = true }, new() { Type = "fp4" }, new() { Type = "int8",
            Threshold = 0 },
    ];

    private static IEnumerable<string> Families() => Directory.GetDirectories(TestFiles.Fixture("hf")).Select(path =>
        Path.GetFileName(path)!)
        .Where(name => File.Exists(TestFiles.Fixture("hf", name, "base", "model.safetensors"))
            && !name.StartsWith("llama_", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Families))]
    public void Every_linear_layer_of_a_family_but_the_head_is_quantised_and_computes_with_its_numbers(string family)
    {
        string directory = TestFiles.Fixture("hf", family, "base");
        var task = new TaskOptions { AsEagerTransformers = true };
        using var quantised = ModelLoader.Load(directory, Backend, warnings: Warnings, task: task, quantization: Options[0]);
        using var plain = ModelLoader.Load(directory, Backend, task: task);
        int layers = 0;
        foreach (var ((path, parameter), (_, other)) in quantised.NamedParameters().Zip(plain.NamedParameters()))
        {
            bool isLinear = plain.Find(path[..Math.Max(0, path.LastIndexOf('.'))]) is Linear layer && layer.Weight == other;
            if (parameter.Value.Format is null)
            {
                Assert.That(parameter.Value.ToFloats(), Is.EqualTo(other.Value.ToFloats()), path);
                continue;
            }
            layers++;
            Assert.That(isLinear, path);
            Assert.That(quantised.OutputLayer?.Weight, Is.Not.SameAs(parameter), "the head");
            bool turned = parameter.Shape != other.Shape || ((Linear)plain.Find(path[..^".weight".Length])!).Transposed;
            var numbers = Backend.From(parameter.Value.ToFloats(), parameter.Shape, MemoryKind.Frozen);
            other.Set(turned ? numbers.Transpose() : numbers);
        }
        Assert.That(layers, Is.Positive);
        using var expected = WeightSource.OpenFile(Path.Combine(directory, "expected.safetensors"));
        if (expected.TryGet("in.input_ids", out var ids) && quantised.Task is ModelTask.CausalLm or ModelTask.SequenceClassification)
        {
            float[] Logits(TransformerModel model) => model.Logits(ModelInputs.From(Backend, Fixtures.Ints(expected, "in.input_ids"),
                (int)ids.Shape[0], Fixtures.Ints(expected, "in.attention_mask"))).ToFloats();
            Assert.That(Fixtures.Error(Logits(quantised), Logits(plain)), Is.LessThan(1e-6));
        }
    }

    [TestCaseSource(nameof(Options))]
    public void Loading_holds_the_model_and_the_numbers_of_its_largest_layer(object given)
    {
        var options = (QuantizationOptions)given;
        string directory = TestFiles.Fixture("hf", "llama_nf4", "full");
        using var meta = new MetaBackend();
        using var backend = new CpuBackend(1);
        using var planned = ModelLoader.Load(directory, meta, quantization: options);
        using var model = ModelLoader.Load(directory, backend, quantization: options);

        // The workspace is allocated before the first quantised layer, and nothing is larger than the model with it.
        long weights = model.NamedParameters().Sum(p => Arena.Round(p.Parameter.Value.ByteCount));
        const long largest = 64 * 128 * sizeof(float);
        Assert.That(backend.Memory.PeakBytes, Is.EqualTo(meta.Memory.PeakBytes));
        Assert.That(backend.Memory.PeakBytes, Is.EqualTo(weights + Arena.Round(largest)));
        Assert.That(backend.Memory.CurrentBytes, Is.EqualTo(weights));
    }

    [Test]
    public void Random_weights_can_be_quantised_and_take_what_is_planned()
    {
        using var meta = new MetaBackend();
        using var backend = new CpuBackend(1);
        var planned = Random(meta);
        var model = Random(backend);

        Assert.That(backend.Memory.PeakBytes, Is.EqualTo(meta.Memory.PeakBytes));
        Assert.That(model.NamedParameters().Count(p => p.Parameter.Value.Format is not null), Is.EqualTo(2 * 7));
        planned.Dispose();
        model.Dispose();

        static TransformerModel Random(Backend device)
        {
            var declared = ModelLoader.Declare(ConfigReader.Open(TestFiles.Fixture("hf", "llama", "base", "config.json")));
            ModelLoader.Initialize(declared, device, DType.BF16, quantization: Options[1]);
            return declared;
        }
    }

    [Test]
    public void A_configuration_of_a_quantised_model_is_initialised_quantised()
    {
        using var backend = new CpuBackend(1);
        using var model = ModelLoader.Declare(ConfigReader.Open(TestFiles.Fixture("hf", "llama_nf4_double", "base", "config.json")));
        ModelLoader.Initialize(model, backend, DType.F32);
        Assert.That(model.NamedParameters().First(p => p.Path.EndsWith("q_proj.weight", StringComparison.Ordinal))
            .Parameter.Value.Format!.Name,
            Is.EqualTo("NF4 (double)"));
    }

    [Test]
    public void Modules_are_skipped_by_path_or_last_name_and_named_in_the_saved_configuration()
    {
        using var directory = new TemporaryDirectory();
        string source = TestFiles.Fixture("hf", "llama", "base");
        var model = ModelLoader.Load(source, Backend, quantization: Options[0] with
        {
            SkipModules = ["down_proj",
            "model.layers.0.self_attn"]
        });
        string[] plain = [.. QuantizedLayers.Skipped(model)!];
        Assert.That(plain, Is.EqualTo((string[])["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj",
            "model.layers.0.self_attn.v_proj", "model.layers.0.self_attn.o_proj", "model.layers.0.mlp.down_proj",
                "model.layers.1.mlp.down_proj",
            "lm_head"]));
        ModelWriter.Save(model, directory.FullPath, source);
        var fields = ModelDirectory.Open(directory.FullPath).OpenConfig().Object("quantization_config");
        Assert.That(fields.Strings("llm_int8_skip_modules"), Is.EqualTo(plain));

        using var again = ModelLoader.Load(directory.FullPath, Backend);
        Assert.That(QuantizedLayers.Skipped(again), Is.EqualTo(plain));
        Assert.That(LossOf(again, "llama"), Is.EqualTo(LossOf(model, "llama")));
        Assert.That(() => ModelLoader.Load(source, Backend, quantization: Options[0] with { SkipModules = ["down_prj"] }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("\"down_prj\" is to be skipped"));
    }

    [TestCase("gpt2")]
    [TestCase("t5")]
    [TestCase("roberta")]
    [TestCase("vit")]
    [TestCase("mixtral")]
    public void A_saved_quantised_model_is_loaded_as_it_was(string family)
    {
        using var directory = new TemporaryDirectory();
        string source = TestFiles.Fixture("hf", family, "base");
        foreach (var options in Options)
        {
            using var model = ModelLoader.Load(source, Backend, quantization: options);
            ModelWriter.Save(model, directory.FullPath, source);
            using var again = ModelLoader.Load(directory.FullPath, Backend);
            foreach (var ((path, a), (_, b)) in model.NamedParameters().Zip(again.NamedParameters()))
            {
                Assert.That((b.Value.Format?.Name, b.Shape), Is.EqualTo((a.Value.Format?.Name, a.Shape)), path);
                Assert.That(b.Value.ToFloats(), Is.EqualTo(a.Value.ToFloats()), path);
            }
        }
    }

    [Test]
    public void Experts_and_convolutions_that_stay_are_told()
    {
        ModelLoader.Load(TestFiles.Fixture("hf", "mixtral", "base"), Backend, warnings: Warnings, quantization: Options[0]).Dispose();
        Assert.That(Warnings, Has.Exactly(1).Contains("4 tensors of convolutions or fused experts stay"));
    }

    [TestCase("nf8", null, null, "quantisation type \"nf8\" is unknown")]
    [TestCase("int8", true, null, "double quantisation is about the scales of four bits")]
    [TestCase("nf4", null, 6.0, "the threshold is about products of int8")]
    [TestCase("int8", null, -1.0, "expected a number of at least 0")]
    public void Options_that_contradict_each_other_are_refused(string type, bool? doubled, double? threshold, string expected) =>
        Assert.That(() => ModelLoader.Load(TestFiles.Fixture("hf", "llama", "base"), Backend, quantization: new QuantizationOptions
        {
            Type = type, UseDoubleQuantization = doubled, Threshold = threshold,
        }), Throws.TypeOf<BadInputException>().With.Message.Contains(expected));

    [TestCase("llama_nf4", "nf4", null, null)]
    [TestCase("llama_nf4", "4bit", false, null)]
    [TestCase("llama_fp4", "4bit", null, null)]
    [TestCase("llama_int8", "int8", null, 0.0)]
    public void Options_that_agree_with_a_stored_model_are_taken(string name, string type, bool? doubled, double? threshold) =>
        ModelLoader.Load(TestFiles.Fixture("hf", name, "base"), Backend, quantization: new QuantizationOptions
        {
            Type = type, UseDoubleQuantization = doubled, Threshold = threshold,
        }).Dispose();

    [TestCase("llama_nf4", "fp4", null, null, "stored in nf4, but fp4 is asked for")]
    [TestCase("llama_nf4", "int8", null, null, "stored in nf4, but int8 is asked for")]
    [TestCase("llama_int8", "4bit", null, null, "stored in int8, but 4bit is asked for")]
    [TestCase("llama_nf4", "nf4", true, null, "stored in nf4 without double quantisation")]
    [TestCase("llama_int8", "int8", null, 6.0, "with a threshold of 0, but 6 is asked for")]
    public void Options_that_contradict_a_stored_model_are_refused(string name, string type, bool? doubled, double? threshold,
        string expected) =>
        Assert.That(() => ModelLoader.Load(TestFiles.Fixture("hf", name, "base"), Backend, quantization: new QuantizationOptions
        {
            Type = type, UseDoubleQuantization = doubled, Threshold = threshold,
        }), Throws.TypeOf<BadInputException>().With.Message.Contains(expected).And.Message.Contains("convert --dequantize"));

    [Test]
    public void A_quantised_weight_is_not_trained_itself()
    {
        using var model = ModelLoader.Load(TestFiles.Fixture("hf", "llama", "base"), Backend, quantization: Options[0]);
        Assert.That(() => model.SetRequiresGrad(true), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("is quantised (NF4), so there is nothing to train"));
    }

    [Test]
    public void A_weight_that_is_no_number_is_named()
    {
        using var files = new EditedModel("llama");
        const string name = "model.layers.1.self_attn.k_proj.weight";
        byte[] bytes = files.BytesOf(name);
        BitConverter.GetBytes(float.NaN).CopyTo(bytes, 40);
        files.Put(name, "F32", files.Tensors[name].Shape, bytes);
        Assert.That(() => ModelLoader.Load(files.Write().FullPath, Backend, quantization: Options[0]),
            Throws.TypeOf<BadInputException>().With.Message.Contains(name));
    }
}
