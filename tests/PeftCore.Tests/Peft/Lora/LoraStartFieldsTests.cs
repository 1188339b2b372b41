using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

internal sealed class LoraStartFieldsTests
{
    [Test]
    public void Objects_of_initialisations_are_read_and_what_nobody_here_knows_is_kept()
    {
        using var directory = new TemporaryDirectory();
        string path = directory[PeftConfig.FileName];
        var given = new JsonObject
        {
            ["peft_type"] = "LORA",
            ["init_lora_weights"] = "eva",
            ["eva_config"] = new JsonObject
            {
                ["rho"] = 1.5, ["tau"] = 0.9, ["use_label_mask"] = false, ["label_mask_value"] = -7,
                ["whiten"] = true, ["adjust_scaling_factors"] = false, ["later"] = "field"
            },
            ["corda_config"] = new JsonObject { ["corda_method"] = "kpm", ["cache_file"] = "cache.pt", ["verbose"] = true },
            ["lora_ga_config"] = new JsonObject { ["direction"] = "A2rBr", ["scale"] = "weight_svd", ["stable_gamma"] = 9 },
            ["loftq_config"] = new JsonObject { ["loftq_bits"] = 2, ["loftq_iter"] = 3 },
        };
        File.WriteAllText(path, given.ToJsonString());

        var config = (LoraConfig)PeftConfig.Load(path);
        config.Save(path);

        Assert.That(config.Calibration, Is.EqualTo(new Calibration
        {
            Rho = 1.5, Whiten = true, UseLabelMask = false, AdjustScaling = false, KeepKnowledge = true, Direction = LoraGaDirection.A2rBr,
            Scale = LoraGaScale.WeightSvd, StableGamma = 9,
        }));
        Assert.That(config.LoftqIterations, Is.EqualTo(3));
        var saved = JsonNode.Parse(File.ReadAllText(path))!;
        foreach (string name in (string[])["eva_config", "corda_config", "lora_ga_config", "loftq_config"])
        {
            Assert.That(JsonNode.DeepEquals(saved[name], given[name]), name + " is " + saved[name]);
        }
    }

    [TestCase("eva", "eva_config")]
    [TestCase("corda", "corda_config")]
    [TestCase("lora_ga", "lora_ga_config")]
    [TestCase("loftq", "loftq_config")]
    public void Only_the_object_of_the_initialisation_in_use_is_made(string init, string name)
    {
        using var directory = new TemporaryDirectory();
        new LoraConfig { Init = LoraConfig.ParseInit(init) }.Save(directory["config.json"]);
        var saved = JsonNode.Parse(File.ReadAllText(directory["config.json"]))!.AsObject();
        string[] filled = [.. saved.Where(field => field.Key.EndsWith("_config", StringComparison.Ordinal)
            && field.Value is JsonObject { Count: > 0 }).Select(field => field.Key)];
        Assert.That(filled, Is.EqualTo(new[] { name }));
    }

    [TestCase("loftq", "loftq_config", """{"loftq_bits": 2}""", "loftq_bits")]
    [TestCase("lora_ga", "lora_ga_config", """{"direction": "up"}""", "direction")]
    [TestCase("eva", "eva_config", """{"rho": 0.5}""", "rho")]
    [TestCase("corda", "corda_config", """{"corda_method": "xpm"}""", "corda_method")]
    public void What_cannot_be_met_is_refused_by_name(string init, string name, string fields, string expected) =>
        Assert.That(() => PeftConfig.Create("lora", new JsonObject { ["init_lora_weights"] = init, [name] = JsonNode.Parse(fields) }),
            Throws.TypeOf<BadInputException>().With.Message.Contains(expected));

    private static IEnumerable<TestCaseData> GradientStarts =>
        from direction in Enum.GetValues<LoraGaDirection>()
        from scale in Enum.GetValues<LoraGaScale>()
        select new TestCaseData(direction, scale);

    [TestCaseSource(nameof(GradientStarts))]
    public void Lora_ga_starts_as_the_base_in_every_direction_and_length(LoraGaDirection direction, LoraGaScale scale)
    {
        using var bench = new Bench(Family.Llama);
        float[] plain = bench.Logits();
        var config = new LoraConfig
        {
            Rank = 4, Alpha = 6, Init = LoraInit.LoraGa, TargetModules = ModuleSelector.Of("q_proj"),
            Calibration = new Calibration { Direction = direction, Scale = scale }
        };
        bench.Model.AddCalibratedAdapter(config, () => bench.Step());
        Assert.That(Fixtures.Error(bench.Logits(), plain), Is.LessThan(1e-5));
        bench.Perturb();
        Assert.That(Fixtures.Error(bench.Logits(), plain), Is.GreaterThan(1e-5));
    }

    [Test]
    public void The_settings_of_the_configuration_count()
    {
        using var bench = new Bench(Family.Llama);
        float[] First(LoraInit init, Calibration settings)
        {
            bench.Model.AddCalibratedAdapter(new LoraConfig
            {
                Rank = 4, Init = init, TargetModules = ModuleSelector.Of("q_proj"),
                Calibration = settings
            }, () => bench.Logits());
            float[] a = bench.Model.Parameters.First(p => p.Name.Contains("lora_A",
                StringComparison.Ordinal)).Parameter.Value.ToArray<float>();
            bench.Model.Unload();
            return a;
        }
        Assert.That(First(LoraInit.Eva, new Calibration { Rho = 1, Whiten = true }),
            Is.Not.EqualTo(First(LoraInit.Eva, new Calibration { Rho = 1 })));
        Assert.That(First(LoraInit.Corda, new Calibration { KeepKnowledge = true }),
            Is.Not.EqualTo(First(LoraInit.Corda, new Calibration())));
    }
}
