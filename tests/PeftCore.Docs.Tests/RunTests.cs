using System.Diagnostics;

namespace PeftCore.Docs.Tests;

/// <summary>A few of the programs run as a reader runs them; the other tests compile them in memory, which takes a part of the
/// time.</summary>
[NonParallelizable]
public sealed class RunTests
{
    [TestCase("docs/lessons/03-lora.cs", 0, "✓ 3,072 parameters have learned a change of 36,864 weights")]
    [TestCase("docs/lessons/13-kernel.cs", 0, "✓ its linear layers agree with the kernel above")]
    [TestCase("docs/lessons/exercises/04-rank.cs", 1, "not solved yet: return the smallest number of singular values")]
    public void It_runs_from_its_file(string program, int code, string line)
    {
        // The test host's own variables would choose the build's SDK.
        var start = new ProcessStartInfo("dotnet", ["run", program, "--", "--check"])
        {
            WorkingDirectory = TestFiles.Root, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach (string name in start.Environment.Keys.Where(name =>
            name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using var run = Process.Start(start)!;
        var errors = run.StandardError.ReadToEndAsync();
        string output = run.StandardOutput.ReadToEnd();
        run.WaitForExit();
        Assume.That(run.ExitCode == 0 || !output.Contains("NU1301", StringComparison.Ordinal), "no package registry answers");

        Assert.That(output, Does.Contain(line), errors.Result);
        Assert.That(run.ExitCode, Is.EqualTo(code));
    }
}
