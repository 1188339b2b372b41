using System.Diagnostics;

namespace PeftCore.PublicApi.Tests;

/// <summary>Random misuse of every public member, in a process of its own, which a fault may end; README.md of tests/PeftCore.Misuse says
/// what is drawn and what counts as a fault.</summary>
public sealed class MisuseTests
{
    [Test]
    public void The_process_survives_ten_thousand_random_misuses_and_each_ends_in_a_documented_exception()
    {
        string journal = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "PeftCore.Misuse.dll"), "--count", "10000",
                "--seed", "1", "--fixtures", Fixtures(), "--journal", journal])
            { RedirectStandardOutput = true, RedirectStandardError = true };
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero,
                $"{output}\n{error.Result}\nthe last calls:\n{string.Join('\n', File.ReadLines(journal).TakeLast(6))}");
            Assert.That(output, Does.Contain("0 kinds of faults"));
        }
        finally
        {
            File.Delete(journal);
        }
    }

    private static string Fixtures()
    {
        string at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "PeftCore.sln")))
        {
            at = Path.GetDirectoryName(at) ?? throw new DirectoryNotFoundException("PeftCore.sln is not above the test assembly.");
        }
        return Path.Combine(at, "tests", "fixtures");
    }
}
