using System.Text.Json.Nodes;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

/// <summary>Unsupported initialisation fields are an error for a new adapter, but not for a trained one.</summary>
public sealed class StartOnlyTests
{
    [TestCase("orthogonal", false)]
    [TestCase("mica", false)]
    [TestCase("MiCA", false)]
    [TestCase("kasa", true)]
    [TestCase("something_new", true)]
    [TestCase("", true)]
    public void A_trained_lora_loads_whatever_its_start_is_called(string name, bool isTold)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", "lora").With("init_lora_weights", AdapterFolder.Quote(name));
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        Assert.That(warnings.Count(warning => warning.Contains($"init_lora_weights is \"{name}\"", StringComparison.Ordinal)),
            Is.EqualTo(isTold ? 1 : 0));
        using var saved = new TemporaryDirectory();
        bench.Model.Save(saved.FullPath);
        var config = JsonNode.Parse(File.ReadAllText(saved[PeftConfig.FileName]))!;
        Assert.That((string?)config["init_lora_weights"], Is.EqualTo(name), "the name is kept for the next program");
    }

    [TestCase("orthogonal")]
    [TestCase("something_new")]
    public void A_new_lora_cannot_start_in_a_way_that_is_not_there(string name)
    {
        var fields = new JsonObject { ["init_lora_weights"] = name };
        Assert.That(() => PeftConfig.Create("lora", fields),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"init_lora_weights is \"{name}\"; supported are true, false"));
        using var folder = new AdapterFolder("llama", "lora").With("init_lora_weights", AdapterFolder.Quote(name));
        using var bench = new Bench(Family.Llama);
        Assert.That(() => bench.Model.AddAdapter(PeftConfig.Load(folder.ConfigPath)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("supported are true, false"));
    }

    [TestCase("pissa_niter_x")]
    [TestCase("pissa2")]
    [TestCase("Corda_new")]
    [TestCase("olora_plus")]
    public void An_unknown_start_that_would_change_the_base_is_refused(string name)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With("init_lora_weights", AdapterFolder.Quote(name));
        Assert.That(() => bench.Model.Load(folder.Path), Throws.TypeOf<BadInputException>().With.Message.Contains("would change the base"));
    }

    [Test]
    public void Names_of_starts_are_the_same_in_any_case()
    {
        Assert.That(LoraConfig.ParseInit("OLoRA"), Is.EqualTo(LoraInit.Olora));
        Assert.That(LoraConfig.ParseInit("PiSSA_niter_16"), Is.EqualTo(LoraInit.Pissa));
    }

    [TestCase("corda_config", "{\"corda_method\": \"xpm\"}")]
    [TestCase("eva_config", "{\"rho\": -1}")]
    [TestCase("lora_ga_config", "{\"direction\": \"up\", \"scale\": 3}")]
    [TestCase("loftq_config", "{\"loftq_bits\": 2, \"loftq_iter\": 0}")]
    [TestCase("runtime_config", "{\"ephemeral_gpu_offload\": true}")]
    [TestCase("megatron_config", "{}")]
    [TestCase("megatron_core", "\"my.core\"")]
    public void Settings_of_a_start_that_was_not_used_do_not_matter(string field, string json)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With(field, json);
        Assert.That(() => bench.Model.Load(folder.Path), Throws.Nothing);
    }

    [Test]
    public void Unknown_settings_of_eva_stop_a_new_adapter_only()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With("init_lora_weights", "\"eva\"").With("eva_config", "{\"rho\": -1}");
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(warnings, Has.One.Contains("\"eva_config.rho\" is -1").And.One.Contains("only how training began"));
    }

    [TestCase("lokr", "init_weights", "lokr_new")]
    [TestCase("c3a", "init_weights", "spectral")]
    [TestCase("prompt", "prompt_tuning_init", "CLASS_LABELS")]
    [TestCase("prefix", "init_weights", "ones")]
    [TestCase("adalora", "init_lora_weights", "gaussian")]
    public void Other_methods_load_whatever_their_start_is_called(string adapter, string field, string name)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", adapter));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("llama", adapter).With(field, AdapterFolder.Quote(name));
        var warnings = new List<string>();
        bench.Model.Load(folder.Path, warnings: warnings);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        Assert.That(warnings, Has.One.Contains($"\"{field}\" is \"{name}\""));
        Assert.That(() => bench.Model.AddAdapter(PeftConfig.Load(folder.ConfigPath), "new"),
            Throws.TypeOf<BadInputException>().With.Message.Contains(name));
    }

    [Test]
    public void A_form_of_miss_that_is_not_known_is_refused()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "miss").With("init_weights", "\"batty\"");
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("expected one of bat, mini"), "it says what is computed");
    }
}
