namespace PeftCore.Deployment.Tests;

/// <summary>The tool for other processors and systems than this machine's.</summary>
[Platform("Linux"), NonParallelizable]
public sealed class OtherSystemTests
{
    private const string Emulator = "/usr/bin/qemu-aarch64-static", Libraries = "/usr/aarch64-linux-gnu";

    [TestCase("llama")]
    [TestCase("gpt2")]
    public void On_ARM64_it_computes_what_transformers_and_PEFT_computed(string model)
    {
        Programs.RequirePublishing();
        Assume.That(Emulator, Does.Exist, "qemu-user-static is not installed");
        Assume.That(Libraries, Does.Exist, "the C library for ARM64 (libc6-arm64-cross, libstdc++6-arm64-cross) is not installed");
        string program = Path.Combine(Programs.Publish("linux-arm64", "--self-contained"), "peftcore");
        using var directory = new TemporaryDirectory();
        foreach (string part in (string[])["base", "lora"])
        {
            Copy(TestFiles.Fixture("hf", model, part), directory[model, part]);
        }
        string output = Command.Ok(directory.FullPath, Emulator, ["-L", Libraries, program, "verify", model]);
        Assert.That(output, Does.Match(@"[1-9][0-9]* passed, 0 failed"));
    }

    [TestCase("win-x64")]
    [TestCase("osx-arm64")]
    public void It_publishes_without_warnings(string runtime)
    {
        Programs.RequirePublishing();
        string folder = Programs.Publish(runtime, "--self-contained");
        Assert.That(Path.Combine(folder, runtime.StartsWith("win", StringComparison.Ordinal) ? "peftcore.exe" : "peftcore"), Does.Exist);
    }

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}

/// <summary>Removes the published programs after the last test.</summary>
[SetUpFixture]
public sealed class ProgramsCleanup
{
    [OneTimeTearDown]
    public void Remove() => Programs.Remove();
}
