using System.Text.Json.Nodes;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The receipt beside a trained adapter, and training again by it.</summary>
public sealed class ReceiptTests
{
    private TemporaryDirectory _directory = null!;

    private string Model => Path.Combine(_directory.FullPath, "base");

    private string Data => Path.Combine(_directory.FullPath, "data");

    private string Adapter => Path.Combine(_directory.FullPath, "adapter");

    private string Receipt => Path.Combine(Adapter, "adapter_receipt.json");

    [SetUp]
    public void Train()
    {
        _directory = new TemporaryDirectory();
        Copy(Bundled.BaseLlama, Model);
        Copy(Bundled.DemoData, Data);
        var run = Train("--threads", "1"); // It is trained again on all cores.
        Assert.That(run.ExitCode, Is.Zero, run.Error);
    }

    [TearDown]
    public void Remove() => _directory.Dispose();

    [Test]
    public void An_adapter_that_is_trained_again_by_its_receipt_has_the_same_bytes()
    {
        var run = Verify("--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("equal").GetBoolean());
    }

    [Test]
    public void The_receipt_names_version_device_files_plan_and_settings()
    {
        var receipt = JsonNode.Parse(File.ReadAllText(Receipt))!;
        Assert.That((string?)receipt["peftcore_version"], Is.EqualTo("0.1.0"));
        Assert.That((string?)receipt["device"]!["kind"], Is.EqualTo("cpu"));
        Assert.That((string?)receipt["base"]!["path"], Is.EqualTo(Model));
        Assert.That(receipt["base"]!["files"]!.AsObject().Select(file => file.Key),
            Does.Contain("config.json").And.Contain("model.safetensors"));
        Assert.That((long)receipt["planned_bytes"]!, Is.Positive);
        Assert.That((string?)receipt["settings"]!["lora_r"], Is.EqualTo("4"));
        Assert.That(receipt["settings"]!.AsObject().ContainsKey("threads"), Is.False, "results do not depend on it");
        Assert.That(receipt["adapter"]!.AsObject().Select(file => file.Key),
            Is.EquivalentTo(new[] { "adapter_config.json", "adapter_model.safetensors" }));
    }

    [TestCase("base/model.safetensors", "model.safetensors of the base model")]
    [TestCase("adapter/adapter_model.safetensors", "adapter_model.safetensors of the adapter")]
    public void One_changed_byte_is_named(string file, string named)
    {
        string path = Path.Combine(_directory.FullPath, file);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
        Refused($"{named} (");
    }

    [Test]
    public void One_changed_byte_of_the_data_is_named()
    {
        string file = Directory.GetFiles(Data).Order(StringComparer.Ordinal).First();
        File.AppendAllText(file, "\n");
        Refused($"{Path.GetFileName(file)} of the data (");
    }

    [Test]
    public void Changed_settings_are_named()
    {
        Edit(receipt => receipt["settings"]!["lora_r"] = "8");
        Refused("has other settings than were trained with");
    }

    [Test]
    public void Another_version_is_named()
    {
        Edit(receipt => receipt["peftcore_version"] = "0.0.9");
        Refused("was written by peftcore 0.0.9, and this is 0.1.0");
    }

    [Test]
    public void Another_device_is_named_with_this_one()
    {
        Edit(receipt => receipt["device"]!["kind"] = "cuda");
        Refused("names the device cuda, ", "and this is cpu, ", "give --device cuda");
    }

    [Test]
    public void A_run_that_goes_on_with_other_settings_has_no_receipt()
    {
        var run = Train("--resume-from-checkpoint", Adapter, "--max-steps", "4");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(Receipt, Does.Not.Exist);
        Assert.That(Verify().Error, Does.Contain("adapter_receipt.json: there is no such file"));
    }

    private ToolRun Train(params string[] more)
    {
        string[] steps = more.Contains("--max-steps") ? [] : ["--max-steps", "2"];
        return ToolRun.Of(["train", "--model", Model, "--data", Data, "--lora-r", "4", "--batch-size", "2", "--max-seq-length", "96",
            "--output-dir", Adapter, .. steps, .. more]);
    }

    private ToolRun Verify(params string[] more) => ToolRun.Of(["verify", "--receipt", Adapter, .. more]);

    private void Refused(params string[] parts)
    {
        var run = Verify();
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Output);
        foreach (string part in parts)
        {
            Assert.That(run.Error, Does.Contain(part));
        }
        Assert.That(run.Error.TrimEnd(), Does.Not.Contain("\n"));
    }

    private void Edit(Action<JsonObject> change)
    {
        var receipt = JsonNode.Parse(File.ReadAllText(Receipt))!.AsObject();
        change(receipt);
        File.WriteAllText(Receipt, receipt.ToJsonString());
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }
}
