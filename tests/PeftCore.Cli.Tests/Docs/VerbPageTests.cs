namespace PeftCore.Cli.Tests.Docs;

/// <summary>docs/verbs equals what the declarations of the command line say. PEFTCORE_UPDATE_DOCS=1 regenerates it.</summary>
public sealed class VerbPageTests
{
    private const string Update = "PEFTCORE_UPDATE_DOCS";

    private static readonly string Folder = Path.Combine(Repository.Root, "docs", "verbs");

    [Test]
    public void The_pages_of_the_verbs_are_what_the_tool_declares()
    {
        var pages = VerbPages.Write();
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            Directory.CreateDirectory(Folder);
            foreach (string old in Directory.GetFiles(Folder))
            {
                File.Delete(old);
            }
            foreach (var (name, text) in pages)
            {
                File.WriteAllText(Path.Combine(Folder, name), text);
            }
        }
        string[] files = Directory.Exists(Folder) ? [.. Directory.GetFiles(Folder).Select(path => Path.GetFileName(path))] : [];
        Assert.That(files, Is.EquivalentTo(pages.Keys), $"run this test once with {Update}=1 and commit docs/verbs");
        Assert.That(pages.Where(page => File.ReadAllText(Path.Combine(Folder, page.Key)) != page.Value).Select(page => page.Key), Is.Empty,
            $"these pages differ from the tool's declarations: run this test once with {Update}=1 and commit docs/verbs");
    }

    [Test]
    public void Every_flag_of_the_help_is_on_the_page_of_its_verb()
    {
        var pages = VerbPages.Write();
        foreach (string[] verb in (string[][])[["train"], ["bench", "step"], ["completion"]])
        {
            string page = pages[string.Join('-', verb) + ".md"];
            var flags = ToolRun.Of([.. verb, "--help"]).Output.Split('\n').Where(line => line.StartsWith("  -", StringComparison.Ordinal))
                .Select(line => line.Trim().Split("  ")[0].Replace("|", "\\|", StringComparison.Ordinal));
            Assert.That(flags.Where(flag => !page.Contains($"| `{flag}`", StringComparison.Ordinal)), Is.Empty);
        }
    }
}
