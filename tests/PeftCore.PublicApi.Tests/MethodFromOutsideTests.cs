using System.Text.Json.Nodes;
using PeftCore.Peft;
using PeftCore.PublicApi.Tests.Samples;

namespace PeftCore.PublicApi.Tests;

public sealed class MethodFromOutsideTests
{
    private static readonly OutputScaleConfig Everywhere = new() { TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) };

    private Workbench _bench = null!;

    [SetUp]
    public void Open() => _bench = new Workbench();

    [TearDown]
    public void Close() => _bench.Dispose();

    [Test]
    public void A_new_adapter_starts_as_the_base_and_training_lowers_the_loss()
    {
        var model = _bench.Load();
        float[] before = _bench.Logits(model);
        model.AddAdapter(Everywhere);
        Assert.That(_bench.Logits(model), Is.EqualTo(before));
        var (first, last) = Workbench.Train(model, steps: 20);
        Assert.That(last, Is.LessThan(first));
        model.Disable();
        Assert.That(_bench.Logits(model), Is.EqualTo(before));
        model.Base.Dispose();
    }

    [Test]
    public void A_saved_adapter_loads_on_another_copy_of_the_base()
    {
        var model = Trained();
        model.Save(_bench["adapter"]);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(_bench["adapter"], PeftConfig.FileName)))!;
        Assert.That(((string?)config["peft_type"], (double?)config["init_deviation"]), Is.EqualTo(("OUTPUT_SCALE", 0.0)));
        var loaded = _bench.Load();
        loaded.Load(_bench["adapter"]);
        Assert.That(_bench.Logits(loaded), Is.EqualTo(_bench.Logits(model)));
        Assert.That(loaded.ConfigOf(PeftModel.DefaultAdapter), Is.TypeOf<OutputScaleConfig>());
        loaded.Base.Dispose();
        model.Base.Dispose();
    }

    [Test]
    public void A_merge_computes_what_the_adapter_computes_biases_too_and_can_be_undone()
    {
        var model = Trained();
        float[] adapted = _bench.Logits(model);
        model.Merge();
        Assert.That(_bench.Logits(model), Is.EqualTo(adapted).Within(1e-5f));
        model.Unmerge();
        Assert.That(_bench.Logits(model), Is.EqualTo(adapted));
        model.Base.Dispose();
    }

    [Test]
    public void A_shift_trains_where_there_is_no_bias_and_its_merge_is_refused()
    {
        var model = _bench.Load();
        model.AddAdapter(new OutputScaleAndShiftConfig { TargetModules = ModuleSelector.Of("q_proj") });
        var (first, last) = Workbench.Train(model, steps: 5);
        Assert.That(last, Is.LessThan(first));
        string page = File.ReadAllText(Path.Combine(Root(), "docs", "getting-started", "first-method.md"));
        Assert.That(page, Does.Contain(Assert.Throws<BadInputException>(() => model.Merge())!.Message));
        model.Base.Dispose();
    }

    private static string Root([System.Runtime.CompilerServices.CallerFilePath] string path = "") =>
        Path.GetDirectoryName(Path.GetDirectoryName(Path.GetDirectoryName(path)))!;

    [Test]
    public void It_runs_beside_an_adapter_of_the_library_and_merges_with_it()
    {
        var model = Trained();
        model.AddAdapter(new PeftCore.Peft.Lora.LoraConfig { TargetModules = ModuleSelector.Of("q_proj", "down_proj") }, "lora", seed: 5);
        Workbench.Train(model, steps: 3);
        model.SetActive("lora", PeftModel.DefaultAdapter);
        float[] both = _bench.Logits(model);
        model.Merge();
        Assert.That(_bench.Logits(model), Is.EqualTo(both).Within(1e-5f));
        model.Base.Dispose();
    }

    [Test]
    public void The_command_lines_registry_has_it_with_its_options()
    {
        Assert.That(PeftConfig.MethodNames, Does.Contain("output_scale"));
        Assert.That(PeftConfig.Create("output_scale", new JsonObject { ["init_deviation"] = 0.5 }),
            Is.TypeOf<OutputScaleConfig>().With.Property(nameof(OutputScaleConfig.InitDeviation)).EqualTo(0.5));
        Assert.That(() => PeftConfig.Create("output_scale", new JsonObject { ["r"] = 8 }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("has no field \"r\""));
    }

    [Test]
    public void A_name_is_registered_once()
    {
        Assert.That(OutputScaleConfig.Register, Throws.ArgumentException.With.Message.Contains("OUTPUT_SCALE is registered already"));
        Assert.That(() => PeftMethods.Register("output-scale", OutputScaleConfig.Fields), Throws.ArgumentException);
    }

    private PeftModel Trained()
    {
        var model = _bench.Load();
        model.AddAdapter(Everywhere);
        Workbench.Train(model, steps: 5);
        return model;
    }
}
