namespace PeftCore.Cli.Tests.Verbs;

public sealed class InspectVerbTests
{
    private static readonly string BaseModel = Path.Combine(Repository.Root, "tests", "fixtures", "hf", "llama", "base");

    [Test]
    public void A_model_is_counted_without_loading_it()
    {
        var run = ToolRun.Of("inspect", BaseModel, "--json");

        Assert.That(run.ExitCode, Is.Zero);
        Assert.That(run.Json.GetProperty("architecture").GetString(), Is.EqualTo("LlamaForCausalLM"));
        Assert.That(run.Json.GetProperty("parameters").GetInt64(), Is.GreaterThan(1000));
        Assert.That(run.Json.GetProperty("dtypes").GetProperty("F32").GetInt64(),
            Is.EqualTo(run.Json.GetProperty("parameters").GetInt64()));
    }

    [Test]
    public void An_adapter_is_told_from_a_model()
    {
        string adapter = Path.Combine(Repository.Root, "tests", "fixtures", "hf", "llama", "lora");

        var run = ToolRun.Of("inspect", adapter, "--json");

        Assert.That(run.ExitCode, Is.Zero);
        Assert.That(run.Json.GetProperty("method").GetString(), Is.EqualTo("lora"));
        Assert.That(run.Json.GetProperty("tensors").GetInt32(), Is.GreaterThan(0));
    }

    [Test]
    public void People_see_shapes_and_sizes()
    {
        var run = ToolRun.Of("inspect", BaseModel);

        Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")));
        Assert.That(run.Output, Does.Contain("hidden size").And.Contain("tensors in 1 file"));
    }

    [Test]
    public void A_directory_without_a_model_is_bad_input()
    {
        var run = ToolRun.Of("inspect", Path.Combine(Repository.Root, "docs"));

        Assert.That(run.ExitCode, Is.EqualTo(2));
    }

    [TestCase("vit", "ViTForImageClassification", "image-cls")]
    [TestCase("dinov2", "Dinov2ForImageClassification", "image-cls")]
    [TestCase("clip", "CLIPModel", "contrastive")]
    [TestCase("layoutlm", "LayoutLMForTokenClassification", "token-cls")]
    [TestCase("layoutlmv3", "LayoutLMv3ForTokenClassification", "token-cls")]
    public void Models_of_pictures_and_pages_are_shown_with_their_task_and_planned(string family, string architecture, string task)
    {
        string model = Bundled.Fixture("hf", family, "base");
        var run = ToolRun.Of("inspect", model);
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")));
        Assert.That(run.Output, Does.Contain(architecture).And.Contain(task).And.Contain("patch size").Or.Contain("max 2d position embeddings"));

        var plan = ToolRun.Of("plan", "--model", model, "--batch-size", "2", "--json");
        Assert.That(plan.ExitCode, Is.Zero, plan.Error);
        Assert.That(plan.Json.GetProperty("trainable").GetInt64(), Is.GreaterThan(0));
        Assert.That(plan.Json.GetProperty("layers").GetArrayLength(), Is.GreaterThan(0));
    }
}
