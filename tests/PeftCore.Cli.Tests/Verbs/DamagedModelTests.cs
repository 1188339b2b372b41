using PeftCore.Cli.Verify;
using PeftCore.Io;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>A model that computes NaN, infinity, or a loss whose exponential overflows a double.</summary>
public sealed class DamagedModelTests
{
    private const string Sentence = "the model's output is not a number: its weights, or an adapter's, are damaged";
    private const ushort NaN = 0x7FC0, Infinity = 0x7F80, Huge = 0x7149; // BF16

    private static readonly string[] Small = ["--data", Bundled.DemoData, "--batch-size", "4", "--max-seq-length", "32"];

    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [TestCase(NaN)]
    [TestCase(Infinity)]
    public void Eval_says_what_generate_says_and_fails(ushort value)
    {
        string model = ModelWith(value);

        var eval = ToolRun.Of(["eval", "--model", model, .. Small, "--json"]);
        var generate = ToolRun.Of("generate", "--model", model, "--prompt", "On Monday", "--max-new-tokens", "2");

        Assert.That(eval.ExitCode, Is.EqualTo(1));
        Assert.That(eval.Error, Does.Contain(Sentence));
        Assert.That(eval.Output, Does.Not.Contain("null"));
        Assert.That(eval.Json.GetProperty("error").GetString(), Does.StartWith(Sentence));
        Assert.That(generate.ExitCode, Is.EqualTo(2));
        Assert.That(generate.Error, Does.Contain(Sentence));
    }

    [Test]
    public void An_adapter_that_makes_nan_fails_too()
    {
        string adapter = Path.Combine(_directory.FullPath, "adapter");
        var train = ToolRun.Of(["train", "--model", Bundled.BaseLlama, .. Small, "--max-steps", "1", "--target-modules", "q_proj",
            "--output-dir", adapter]);
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        string weights = Path.Combine(adapter, "adapter_model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        BitConverter.GetBytes(float.NaN).CopyTo(bytes, bytes.Length - 4);
        File.WriteAllBytes(weights, bytes);

        var eval = ToolRun.Of(["eval", "--model", Bundled.BaseLlama, "--adapter", adapter, .. Small, "--json"]);

        Assert.That(eval.ExitCode, Is.EqualTo(1));
        Assert.That(eval.Json.GetProperty("error").GetString(), Does.StartWith(Sentence));
    }

    [Test]
    public void Training_comparing_and_selecting_fail_and_report_no_null()
    {
        string model = ModelWith(NaN);
        (string[] Call, string Expected)[] calls =
        [
            (["train", "--max-steps", "2"], "training diverged at step 1: the loss became NaN"),
            (["compare", "--max-steps", "1", "--methods", "lora[r=2,target_modules=[\"q_proj\"]]"], Sentence),
            (["select", "--batches", "1", "--target-modules", "layers.0.self_attn.q_proj"], Sentence),
        ];
        foreach (var (call, expected) in calls)
        {
            var run = ToolRun.Of([.. call, "--model", model, .. Small, "--output-dir", Path.Combine(_directory.FullPath, call[0]),
                "--json"]);
            Assert.That(run.ExitCode, Is.EqualTo(1), call[0]);
            Assert.That(run.Error, Does.Contain(expected));
            Assert.That(run.Output, Does.Not.Contain("null"));
        }
    }

    [Test]
    public void Methods_that_diverge_at_every_rate_fail()
    {
        var run = ToolRun.Of(["compare", "--model", Bundled.BaseLlama, .. Small, "--max-steps", "3", "--methods",
            "lora[r=2,target_modules=[\"q_proj\"]]", "--learning-rates", "1e30",
            "--output-dir", Path.Combine(_directory.FullPath, "out")]);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error, Does.Contain("diverges with every learning rate of 1e30"));
    }

    [Test]
    public void A_perplexity_beyond_all_doubles_is_the_largest_one_and_it_is_said()
    {
        var run = ToolRun.Of(["eval", "--model", ModelWith(Huge), .. Small, "--json"]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("loss").GetDouble(), Is.GreaterThan(709));
        Assert.That(run.Json.GetProperty("perplexity").GetDouble(), Is.EqualTo(double.MaxValue));
        Assert.That(run.Error, Does.Contain("perplexity over 1.8e+308").And.Contain("more than a double holds"));
    }

    [TestCase("loss", float.NaN)]
    [TestCase("loss", float.PositiveInfinity)]
    [TestCase("grad.a", float.PositiveInfinity)]
    [TestCase("grad.a", float.NaN)]
    public void A_reference_that_is_not_finite_is_never_met(string name, float value)
    {
        string file = Path.Combine(_directory.FullPath, "expected.safetensors");
        SafetensorsWriter.Write(file, [Tensor("loss", [name == "loss" ? value : 1, 1]), Tensor("grad.a", [name == "loss" ? 1 : value, 1])]);
        using var expected = new Expected(file);
        Assert.That(expected.Error(name, [value, 1]), Is.EqualTo(double.PositiveInfinity));
        Assert.That(expected.Error(name, [1, 1]), Is.EqualTo(double.PositiveInfinity));
        Assert.That(expected.GradientError("grad.a", [5, 5], floor: 1e-4), Is.GreaterThan(1));
        Assert.That(expected.TrainedError("loss", "grad.a", [5, 5], Tolerances.Single).Error, Is.GreaterThan(1));
        Assert.That(expected.Error(name == "loss" ? "grad.a" : "loss", [float.NaN, 1]), Is.EqualTo(double.PositiveInfinity));
    }

    private static SafetensorsTensor Tensor(string name, float[] values) =>
        new(name, "F32", [values.Length], stream => stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values)));

    /// <summary>The bundled model with the last norm's weight replaced, which is the last tensor of its file.</summary>
    private string ModelWith(ushort value)
    {
        string copy = Path.Combine(_directory.FullPath, "model");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.EnumerateFiles(Bundled.BaseLlama))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
        string weights = Path.Combine(copy, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        for (int i = 1; i <= 192; i++)
        {
            BitConverter.GetBytes(value).CopyTo(bytes, bytes.Length - 2 * i);
        }
        File.WriteAllBytes(weights, bytes);
        return copy;
    }
}
