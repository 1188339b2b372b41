using System.Text.Json;
using System.Text.RegularExpressions;
using Parquet.Serialization;

namespace PeftCore.Deployment.Tests;

/// <summary>The tool as a native program (native AOT), against the same tool on .NET.</summary>
[Platform("Linux"), NonParallelizable]
public sealed partial class NativeTests
{
    private string _native = "";

    [OneTimeSetUp]
    public void Publish()
    {
        Programs.RequirePublishing();
        Assume.That(Compiler(), Is.True, "native AOT links with clang or gcc, which is not installed");
        _native = Path.Combine(Programs.Publish(Programs.ThisMachine, "-p:PublishAot=true"), "peftcore");
    }

    // Sums in vectors of another size are rounded in another order: both programs use 512 bits where there are, or both 256.
    [TestCase("1")]
    [TestCase("0")]
    public void Its_adapter_losses_and_texts_are_those_of_the_program_for_NET(string avx512)
    {
        (string, string) vectors = ("DOTNET_EnableAVX512", avx512);
        using var directory = new TemporaryDirectory();
        string[] options = ["train", "--model", Model, "--data", Path.Combine(Programs.Demo, "data"), "--max-steps", "6",
            "--batch-size", "4", "--max-seq-length", "64", "--eval-steps", "3", "--output-dir"];
        Command.Ok(directory.FullPath, _native, [.. options, "native"], vectors);
        Command.Ok(directory.FullPath, "dotnet", [Programs.Managed, .. options, "managed"], vectors);
        Assert.That(Losses(directory["native", "training_log.jsonl"]), Is.EqualTo(Losses(directory["managed", "training_log.jsonl"])));
        Assert.That(File.ReadAllBytes(directory["native", "adapter_model.safetensors"]),
            Is.EqualTo(File.ReadAllBytes(directory["managed", "adapter_model.safetensors"])));

        AssertSame(directory.FullPath, vectors, "eval", "--model", Model, "--adapter", "native",
            "--data", Path.Combine(Programs.Demo, "data", "valid.jsonl"));
        AssertSame(directory.FullPath, vectors, "generate", "--model", Model, "--adapter", "native", "--prompt", "Once upon a time",
            "--max-new-tokens", "24", "--temperature", "0.8", "--seed", "3");
    }

    [Test]
    public void Its_help_and_its_plan_are_those_of_the_program_for_NET()
    {
        foreach (string[] arguments in (string[][])[["--help"], ["train", "--help"], ["plan", "--model", Model, "--json"]])
        {
            AssertSame(Path.GetTempPath(), ("DOTNET_EnableAVX512", "1"), arguments);
        }
    }

    [Test]
    public async Task It_reads_parquet_files()
    {
        using var directory = new TemporaryDirectory();
        Row[] rows = [.. Enumerable.Range(0, 12)
            .Select(i => new Row { prompt = $"Who is number {i}? ", completion = $"Miss {i}", weight = i })];
        await ParquetSerializer.SerializeAsync(rows, directory["rows.parquet"]);
        AssertSame(directory.FullPath, ("DOTNET_EnableAVX512", "1"), "eval", "--model", Model, "--data", "rows.parquet", "--fields",
            "weight=,note=");
    }

    [Test]
    public void It_has_no_GPU_backend_and_says_so()
    {
        var (code, output) = Command.Run(Path.GetTempPath(), _native, ["bench", "gemm", "--device", "cuda"]);
        Assert.That((code, output), Is.EqualTo((2, output)));
        Assert.That(output, Does.Contain("compiled ahead of time").And.Contain("--device cpu"));
    }

    [Test]
    public void It_runs_in_a_root_directory_that_has_the_C_library_alone()
    {
        Assume.That(Environment.UserName, Is.EqualTo("root"), "only root can change the root directory");
        using var root = new TemporaryDirectory();
        string program = Path.GetDirectoryName(_native)!;
        foreach (string file in (string[])[.. Libraries(), _native, .. Directory.GetFiles(Model)])
        {
            string copy = root.FullPath + (file.StartsWith(program, StringComparison.Ordinal) ? file[program.Length..] : file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        Assert.That(Command.Ok(root.FullPath, "chroot", [root.FullPath, "/peftcore", "inspect", Model, "--json"]),
            Does.Contain("\"parameters\":3221952"));
    }

    // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", and the linker "/lib64/ld-linux-x86-64.so.2 (0x...)".
    private IEnumerable<string> Libraries() => Command.Ok(Path.GetTempPath(), "ldd", [_native]).Split('\n')
        .SelectMany(line => line.Split(' ', '\t')).Where(word => word.StartsWith('/') && File.Exists(word));

    private static string Model => Path.Combine(Programs.Demo, "base-llama");

    private void AssertSame(string directory, (string, string) environment, params string[] arguments) =>
        Assert.That(Untimed(Command.Ok(directory, _native, arguments, environment)),
            Is.EqualTo(Untimed(Command.Ok(directory, "dotnet", [Programs.Managed, .. arguments], environment))));

    // generate tells how long it took.
    private static string Untimed(string output) => Times().Replace(output, "");

    [GeneratedRegex("[0-9,.]+ (tok/s|s )")]
    private static partial Regex Times();

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
