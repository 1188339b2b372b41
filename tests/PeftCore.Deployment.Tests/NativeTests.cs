using System.Text.Json;
using Parquet.Serialization;

namespace PeftCore.Deployment.Tests;

/// <summary>The tool as a native program (native AOT), against the same tool on .NET.</summary>
[Platform("Linux"), NonParallelizable]
public sealed class NativeTests
{
    // The native program has vectors of 256 bits; sums in vectors of 512 bits are rounded in another order.
    private static readonly (string, string)[] SameVectors = [("DOTNET_EnableAVX512", "0")];
    private string _native = "";

    [OneTimeSetUp]
    public void Publish()
    {
        Programs.RequirePublishing();
        Assume.That(Compiler(), Is.True, "native AOT links with clang or gcc, which is not installed");
        _native = Path.Combine(Programs.Publish(Programs.ThisMachine, "-p:PublishAot=true"), "peftcore");
    }

    [Test]
    public void Its_adapter_and_losses_are_those_of_the_program_for_NET()
    {
        using var directory = new TemporaryDirectory();
        string[] options = ["train", "--model", Model, "--data", Path.Combine(Programs.Demo, "data"), "--max-steps", "6", "--batch-size", "4",
            "--max-seq-length", "64", "--eval-steps", "3", "--output-dir"];
        Command.Ok(directory.FullPath, _native, [.. options, "native"], SameVectors);
        Command.Ok(directory.FullPath, "dotnet", [Programs.Managed, .. options, "managed"], SameVectors);
        Assert.That(Losses(directory["native", "training_log.jsonl"]), Is.EqualTo(Losses(directory["managed", "training_log.jsonl"])));
        Assert.That(File.ReadAllBytes(directory["native", "adapter_model.safetensors"]),
            Is.EqualTo(File.ReadAllBytes(directory["managed", "adapter_model.safetensors"])));

        string[] eval = ["eval", "--model", Model, "--adapter", "native", "--data", Path.Combine(Programs.Demo, "data", "valid.jsonl")];
        AssertSame(directory.FullPath, eval);
        AssertSame(directory.FullPath, ["generate", "--model", Model, "--adapter", "native", "--prompt", "Once upon a time",
            "--max-new-tokens", "24", "--do-sample", "--seed", "3"]);
    }

    [Test]
    public void Its_help_and_its_plan_are_those_of_the_program_for_NET()
    {
        foreach (string[] arguments in (string[][])[["--help"], ["train", "--help"], ["plan", "--model", Model, "--json"]])
        {
            AssertSame(Path.GetTempPath(), arguments);
        }
    }

    [Test]
    public async Task It_reads_parquet_files()
    {
        using var directory = new TemporaryDirectory();
        Row[] rows = [.. Enumerable.Range(0, 12).Select(i => new Row { prompt = $"Who is number {i}? ", completion = $"Miss {i}", weight = i, note = null })];
        await ParquetSerializer.SerializeAsync(rows, directory["rows.parquet"]);
        AssertSame(directory.FullPath, ["eval", "--model", Model, "--data", "rows.parquet"]);
    }

    [Test]
    public void It_has_no_GPU_backend_and_says_so()
    {
        var (code, output) = Command.Run(Path.GetTempPath(), _native, ["bench", "gemm", "--device", "cuda"]);
        Assert.That((code, output), Is.EqualTo((2, output)));
        Assert.That(output, Does.Contain("compiled ahead of time").And.Contain("--device cpu"));
    }

    private static string Model => Path.Combine(Programs.Demo, "base-llama");

    private void AssertSame(string directory, string[] arguments) => Assert.That(Command.Ok(directory, _native, arguments, SameVectors),
        Is.EqualTo(Command.Ok(directory, "dotnet", [Programs.Managed, .. arguments], SameVectors)));

    private static string[] Losses(string log) => [.. File.ReadLines(log).Select(line => JsonDocument.Parse(line).RootElement)
        .Select(line => string.Join(' ', line.EnumerateObject().Where(field => field.Name.Contains("loss", StringComparison.Ordinal))))];

    private static bool Compiler() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Any(folder => File.Exists(Path.Combine(folder, "clang")) || File.Exists(Path.Combine(folder, "gcc")));

    private sealed class Row
    {
        public string? prompt { get; set; }

        public string? completion { get; set; }

        public double? weight { get; set; }

        public int? note { get; set; }
    }
}
