using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class VerifyVerbTests
{
    private static IEnumerable<string> Directories() =>
        from file in Directory.GetFiles(Bundled.Fixture("hf"), "expected.safetensors", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
        select Path.GetRelativePath(Bundled.Fixture(), Path.GetDirectoryName(file)!);

    [TestCaseSource(nameof(Directories))]
    public void Every_quantity_agrees_with_the_reference(string directory) => AllPass(ToolRun.Of("verify", Bundled.Fixture(directory)));

    // The fixture's weights saturate its softmax: rounding of the parameters moves the gradients by more than the tolerance.
    [TestCase("llama")]
    [TestCase("gpt2")]
    public void What_single_precision_does_not_determine_is_counted_apart(string family)
    {
        var run = ToolRun.Of("verify", Bundled.Fixture("hf", family, "randlora"));

        string[] undetermined = [.. run.Output.Split('\n').Where(line => line.Contains("  UNDETERMINED", StringComparison.Ordinal))];
        Assert.That(run.ExitCode, Is.Zero, run.Output);
        Assert.That(undetermined, Is.Not.Empty.And.All.Contains("one unit in the last place of the parameters moves it by"));
        Assert.That(run.Output, Does.Not.Contain("FAIL").And.Contain($", 0 failed, {undetermined.Length} undetermined"));
    }

    [Test]
    public void The_report_has_the_undetermined_count_as_a_number_of_its_own()
    {
        var run = ToolRun.Of("verify", Bundled.Fixture("hf", "llama", "randlora"), "--json");

        using var report = System.Text.Json.JsonDocument.Parse(run.Output);
        Assert.That(report.RootElement.GetProperty("failed").GetInt32(), Is.Zero);
        Assert.That(report.RootElement.GetProperty("failures").GetArrayLength(), Is.Zero);
        Assert.That(report.RootElement.GetProperty("undetermined").GetInt32(), Is.Positive);
    }

    // A gradient's sensitivity is 5e-4 here: neither an error of 1 % nor one of the sign is rounding.
    [TestCase(-1)]
    [TestCase(1.01f)]
    public void An_error_larger_than_the_sensitivity_fails_where_others_are_undetermined(float factor)
    {
        const string Gradient = "grad.base_model.model.model.layers.0.self_attn.q_proj.randlora_lambda.default";
        using var directory = new TemporaryDirectory();
        foreach (string file in Directory.GetFiles(Bundled.Fixture("hf", "llama", "randlora")))
        {
            File.Copy(file, Path.Combine(directory.FullPath, Path.GetFileName(file)));
        }
        Multiply(Path.Combine(directory.FullPath, "expected.safetensors"), Gradient, factor);

        var run = ToolRun.Of("verify", directory.FullPath, "--model", Bundled.Fixture("hf", "llama", "base"));

        string[] failures = [.. run.Output.Split('\n').Where(line => line.Contains("  FAIL", StringComparison.Ordinal))];
        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(failures, Has.Length.EqualTo(1).And.All.Contains(Gradient));
        Assert.That(run.Output, Does.Contain(", 1 failed, ").And.Contain("  UNDETERMINED"));
    }

    [TestCase("llama-lora-all")]
    [TestCase("llama-dora-qv")]
    public void A_real_training_run_follows_the_reference_loss_by_loss(string name) =>
        AllPass(ToolRun.Of("verify", Bundled.Fixture("runs", name), "--model", Bundled.BaseLlama));

    [TestCase("byte_bpe")]
    [TestCase("sentencepiece_bpe")]
    public void A_tokenizer_agrees_case_by_case(string kind) => AllPass(ToolRun.Of("verify", Bundled.Fixture("tokenizers", kind)));

    [Test]
    public void What_comes_before_a_model_is_that_of_transformers()
    {
        var run = ToolRun.Of("verify", Bundled.Fixture("preprocessing"));

        AllPass(run);
        Assert.That(run.Output.Split('\n').Where(line => line.Contains("  ok", StringComparison.Ordinal)), Has.Exactly(7).Items);
    }

    [Test]
    public void Pixels_more_than_a_grey_level_away_and_quantities_without_settings_fail()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "expected.safetensors");
        File.Copy(Bundled.Fixture("preprocessing", "expected.safetensors"), path);
        Multiply(path, "vit_32", 1.02f);
        Rename(path, "clip_32", "clip_99");

        var run = ToolRun.Of("verify", directory.FullPath);

        string[] failures = [.. run.Output.Split('\n').Where(line => line.Contains("  FAIL", StringComparison.Ordinal))];
        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(failures, Has.Length.EqualTo(2).And.Some.Contains("vit_32").And.Some.Contains("clip_99"));
    }

    [Test]
    public void Settings_beside_the_numbers_count_and_refused_ones_fail_alone()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "expected.safetensors");
        File.Copy(Bundled.Fixture("preprocessing", "expected.safetensors"), path);
        Rename(path, "clip_32", "clip_99");
        File.WriteAllText(Path.Combine(directory.FullPath, "clip_99.json"),
            """{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 32}""");
        File.WriteAllText(Path.Combine(directory.FullPath, "vit_32.json"), """{"image_processor_type": "ViTImageProcessor", "size": 24}""");
        File.WriteAllText(Path.Combine(directory.FullPath, "wav2vec2.json"), """{"feature_extractor_type": "NoFeatureExtractor"}""");

        var run = ToolRun.Of("verify", directory.FullPath);

        string[] failures = [.. run.Output.Split('\n').Where(line => line.Contains("  FAIL", StringComparison.Ordinal))];
        Assert.That(failures, Has.Length.EqualTo(2).And.Some.Contains("24 × 24 pixels, expected 32 × 32")
            .And.Some.Contains("NoFeatureExtractor"));
        Assert.That(run.Output, Does.Contain("5 passed, 2 failed"));
    }

    [Test]
    public void What_cannot_be_computed_is_named_and_counts_as_failed()
    {
        using var directory = new TemporaryDirectory();
        File.Copy(Bundled.Fixture("hf", "llama", "lora", "expected.safetensors"), Path.Combine(directory.FullPath, "expected.safetensors"));
        directory.Write("adapter_config.json", """{"peft_type":"NOT_A_METHOD","base_model_name_or_path":"."}""");

        var run = ToolRun.Of("verify", directory.FullPath);

        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Output, Does.Contain("FAIL").And.Contain("0 passed, 1 failed"));
    }

    [Test]
    public void A_directory_with_nothing_to_verify_is_bad_input()
    {
        using var directory = new TemporaryDirectory();

        Assert.That(ToolRun.Of("verify", directory.FullPath).ExitCode, Is.EqualTo(2));
    }

    /// <summary>Multiplies a tensor of a safetensors file.</summary>
    private static void Multiply(string path, string name, float factor)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int header = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        using var document = System.Text.Json.JsonDocument.Parse(bytes.AsMemory(8, header));
        var offsets = document.RootElement.GetProperty(name).GetProperty("data_offsets");
        int start = offsets[0].GetInt32(), end = offsets[1].GetInt32();
        var values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(8 + header + start, end - start));
        TensorPrimitives.Multiply(values, factor, values);
        File.WriteAllBytes(path, bytes);
    }

    /// <summary>Renames a tensor of a safetensors file; both names have the same length.</summary>
    private static void Rename(string path, string name, string other)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int start = bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes($"\"{name}\""));
        System.Text.Encoding.ASCII.GetBytes(other).CopyTo(bytes, start + 1);
        File.WriteAllBytes(path, bytes);
    }

    private static void AllPass(ToolRun run)
    {
        string failures = string.Join('\n', run.Output.Split('\n').Where(line => line.Contains("FAIL", StringComparison.Ordinal)));
        Assert.That(run.ExitCode, Is.Zero, failures + run.Error);
        Assert.That(run.Output, Does.Contain(", 0 failed"));
    }
}
