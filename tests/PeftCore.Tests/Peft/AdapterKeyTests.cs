using System.Runtime.InteropServices;
using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>Keys and dtypes of other programs: they load like the usual ones, or cause an error that names them.</summary>
public sealed class AdapterKeyTests
{
    /// <summary>Methods whose keys end in a module, in a parameter, or belong to the whole model.</summary>
    private static readonly string[] Adapters =
    [
        "lora", "lora_dora", "lora_embedding", "lora_lora_bias", "lora_modules_to_save", "lora_trainable_tokens", "adalora", "ia3",
        "ln_tuning", "vera", "loha", "lokr", "oft", "boft",
        "hra", "shira", "fourierft", "vblora", "randlora", "c3a", "miss", "trainable_tokens",
    ];

    [Test]
    public void Keys_with_the_adapters_name_load([ValueSource(nameof(Adapters))] string adapter,
        [Values("default", "my-adapter")] string name)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", adapter));
        float[] usual = bench.Logits();
        // A parameter's name in Hugging Face PEFT's memory is its key in a plain dump of the state.
        var named = bench.Model.Get(PeftModel.DefaultAdapter).Parameters.ToDictionary(p => p.FileName, p => p.MemoryName(name));
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", adapter).WithWeights((entry, bytes) =>
            new SafetensorsTensor(named.GetValueOrDefault(entry.Name, entry.Name), entry.DType, entry.Shape, bytes));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(usual));
    }

    [TestCase("module.base_model.model.", "base_model.model.")]
    [TestCase("base_model.model._orig_mod.", "base_model.model.")]
    [TestCase("_orig_mod.base_model.model.", "base_model.model.")]
    [TestCase("_fsdp_wrapped_module.base_model.model.", "base_model.model.")]
    [TestCase("", "base_model.model.")]
    public void Keys_of_a_wrapped_or_bare_model_load(string prefix, string usual)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) => new SafetensorsTensor(prefix +
            entry.Name[usual.Length..], entry.DType, entry.Shape, bytes));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
    }

    [TestCase("lora_magnitude_vector.weight")]
    [TestCase("lora_magnitude_vector.default.weight")]
    [TestCase("lora_magnitude_vector.default")]
    public void Magnitudes_load_under_every_name_they_had(string suffix)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora_dora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", "lora_dora").WithWeights((entry, bytes) =>
            new SafetensorsTensor(entry.Name.Replace("lora_magnitude_vector", suffix, StringComparison.Ordinal), entry.DType, entry.Shape,
                bytes));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
    }

    [Test]
    public void Several_adapters_in_one_file_are_refused_by_name()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) =>
            new SafetensorsTensor(entry.Name.Replace("lora_A.",
                $"lora_A.{(entry.Name.Contains("layers.0", StringComparison.Ordinal) ? "a" : "b")}.", StringComparison.Ordinal),
                entry.DType, entry.Shape, bytes));
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the keys name 2 adapters (a, b)"));
    }

    [Test]
    public void One_tensor_under_two_keys_is_refused_if_they_differ([Values] bool differ)
    {
        const string Key = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var file = SafetensorsFile.Open(TestFiles.Fixture("hf", "llama", "lora", "adapter_model.safetensors"));
        byte[] stored = file.Bytes(file.Entries[Key]).ToArray();
        stored[^1] ^= (byte)(differ ? 1 : 0);
        using var folder = new AdapterFolder("llama", "lora").WithWeights(AdapterFolder.Same,
            new SafetensorsTensor(Key.Replace("lora_A.", "lora_A.default.", StringComparison.Ordinal), "F32", [4, 32], stored));
        if (differ)
        {
            Assert.That(() => bench.Model.Load(folder.Path),
                Throws.TypeOf<BadInputException>().With.Message.Contains("are the same tensor of an adapter, but differ"));
            return;
        }
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
    }

    [Test]
    public void Double_precision_is_rounded_and_said()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) => Wide(entry, bytes, x => x));
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        Assert.That(warnings, Has.One.Contains("8 of 8 tensors are F64").And.One.Contains("they are rounded to F32"));
        using var large = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) => Wide(entry, bytes, _ => 1e300));
        Assert.That(() => bench.Model.Load(large.Path, "large"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("holds 1E+300, which F32 cannot hold"));
    }

    [TestCase("F32")]
    [TestCase("F64")]
    [TestCase("F16")]
    [TestCase("BF16")]
    public void Numbers_that_are_none_are_told_of_and_not_merged(string dtype)
    {
        using var bench = new Bench(Family.Llama);
        byte[] nan = dtype switch
        {
            "F64" => BitConverter.GetBytes(double.NaN),
            "F32" => BitConverter.GetBytes(float.NaN),
            "F16" =>
            BitConverter.GetBytes(Half.NaN),
            _ => [0xC0, 0x7F]
        };
        using var folder = new AdapterFolder("llama", "lora").WithWeights((entry, _) =>
        {
            byte[] bytes = new byte[entry.Shape[0] * entry.Shape[1] * nan.Length];
            nan.CopyTo(bytes, bytes.Length - nan.Length);
            return new SafetensorsTensor(entry.Name, dtype, entry.Shape, bytes);
        });
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(warnings, Has.One.Contains("8 of 8 tensors hold NaN or infinity"));
        Assert.That(() => bench.Model.Merge(), Throws.TypeOf<BadInputException>().With.Message.Contains("would hold NaN or infinity"));
    }

    [TestCase("vera", "vera_A")]
    [TestCase("randlora", "randlora_A")]
    public void Projections_that_the_configuration_denies_are_used_and_told_of(string adapter, string name)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", adapter));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", adapter).With("save_projection", "false");
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        Assert.That(warnings, Has.One.Contains("save_projection is false, but the projections are in the file"));
        bench.Model.Delete(PeftModel.DefaultAdapter);
        folder.With("save_projection", "true").WithWeights((entry, bytes) => entry.Name == "base_model." + name ? null
            : AdapterFolder.Same(entry, bytes));
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"keys are missing (base_model.{name})"));
    }

    [Test]
    public void A_directory_of_adapters_is_refused_with_their_names()
    {
        using var bench = new Bench(Family.Llama);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(new PeftCore.Peft.Lora.LoraConfig(), "first");
        bench.Model.Save(directory.FullPath);
        Assert.That(() => bench.Model.Load(directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("it has no adapter_config.json; there is one in ")
            .And.Message.EndsWith("first"));
        bench.Model.Load(directory["first"], "again");
        Assert.That(bench.Model.ActiveAdapters, Is.EqualTo(new[] { "again" }));
    }

    [Test]
    public void A_saved_adapter_is_written_with_the_usual_keys()
    {
        using var folder = new AdapterFolder("llama", "lora").WithWeights((entry, bytes) =>
            new SafetensorsTensor("module." + entry.Name.Replace(".weight", ".default.weight", StringComparison.Ordinal), entry.DType,
                entry.Shape, bytes));
        using var usual = SafetensorsFile.Open(TestFiles.Fixture("hf", "llama", "lora", "adapter_model.safetensors"));
        Assert.That(SavedAdapter.Load(folder.Path).Names, Is.EquivalentTo(usual.Entries.Keys));
    }

    private static SafetensorsTensor Wide(SafetensorsEntry entry, byte[] bytes, Func<double, double> change)
    {
        double[] wide = Array.ConvertAll(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), x => change(x));
        return new SafetensorsTensor(entry.Name, "F64", entry.Shape, MemoryMarshal.AsBytes<double>(wide).ToArray());
    }
}
