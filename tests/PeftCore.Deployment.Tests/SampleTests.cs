using System.Text.RegularExpressions;

namespace PeftCore.Deployment.Tests;

/// <summary>The programs of docs/samples, each run as its first comment says.</summary>
[NonParallelizable]
public sealed class SampleTests
{
    private static readonly string Samples = Path.Combine(TestFiles.Root, "docs", "samples");

    private static IEnumerable<string> Programs => Directory.GetFiles(Samples, "*.cs").Select(path => Path.GetFileName(path)).Order();

    // What each program claims.
    private static readonly Dictionary<string, string[]> Claims = new()
    {
        ["fine-tune-and-ask.cs"] = [@"before: 0 of 4 answers are right", @"after: 4 of 4 answers are right", @"loaded again: 4 of 4 answers are right"],
        ["two-tenants.cs"] = [@"harbour: 12 of 12 answers are those of its adapter alone: At the north pier\.",
            @"castle: 12 of 12 answers are those of its adapter alone: By the old tower\.", @"island: 404, there is no tenant island"],
        ["embed-folder.cs"] = [@"6 files, 192 numbers each", @"\?\s+0\.[0-9]{3}  sea-2\.txt\s+0\.[0-9]{3}  sea-1\.txt"],
        ["own-loss.cs"] = [@"λ = 0: loss on the text [0-9.]+ before, 0\.[0-9]+ after", @"λ = 1: loss on the text [0-9.]+ before, [0-9.]+ after"],
        ["own-op.cs"] = [@"the gradient is right", @"softplus\([0-9.]+\) = 1\.5000"],
        ["own-method.cs"] = [@"saved adapter_config\.json, adapter_model\.safetensors; loaded again, the logits differ by 0\.0e\+00", @"merged, they differ by"],
        ["own-model.cs"] = [@"with the LoRA: the early train is never late\.", @"without it:    the early bird catches the worm\."],
    };

    [TestCaseSource(nameof(Programs))]
    public void It_prints_what_it_claims(string program)
    {
        string usage = $"dotnet run -c Release docs/samples/{program}";
        Assert.That(File.ReadAllText(Path.Combine(Samples, program)), Does.Contain($"//   {usage}"));

        string output = Command.Dotnet(TestFiles.Root, [.. usage.Split(' ').Skip(1)]);

        foreach (string claim in Claims[program])
        {
            Assert.That(output, Does.Match(claim));
        }
        PageOutput.AssertShown(program, output);
        if (program == "own-loss.cs")
        {
            double[] moved = [.. Regex.Matches(output, @"moved by ([0-9.]+)").Select(match => double.Parse(match.Groups[1].Value))];
            Assert.That(moved, Has.Length.EqualTo(2));
            Assert.That(moved[1], Is.LessThan(moved[0] / 2), "the penalty keeps the other text");
        }
    }

    [Test]
    public void The_page_lists_every_program()
    {
        string page = File.ReadAllText(Path.Combine(Samples, "README.md"));
        Assert.That(Programs.Where(program => !page.Contains($"]({program})", StringComparison.Ordinal)), Is.Empty);
        Assert.That(Programs, Is.EquivalentTo(Claims.Keys));
    }
}
