using PeftCore.Tests.Docs.Snippets;

namespace PeftCore.Tests.Docs;

/// <summary>Every C# snippet of the README and the docs stands, line by line, in a file of Snippets that is compiled, and run here.</summary>
public sealed class SnippetTests
{
    private const string Fence = "```";

    private static IEnumerable<string> Pages() =>
        Directory.GetFiles(Path.Combine(TestFiles.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(TestFiles.Root, "README.md")).Select(path => Path.GetRelativePath(TestFiles.Root, path)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Pages))]
    public void Its_snippets_stand_in_compiled_code(string page)
    {
        string[] lines = File.ReadAllLines(Path.Combine(TestFiles.Root, page));
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Trim() != Fence + "csharp")
            {
                continue;
            }
            string marker = i == 0 ? "" : lines[i - 1].Trim();
            Assert.That(marker, Does.Match("^<!-- snippet: [A-Za-z]+ -->$"), $"{page}, line {i + 1}: a snippet needs its marker in the line before");
            string name = marker["<!-- snippet: ".Length..^" -->".Length];
            var snippet = lines.Skip(i + 1).TakeWhile(line => line.Trim() != Fence).Select(line => line.Trim()).Where(line => line.Length > 0).ToList();
            AssertInOrder(snippet, File.ReadAllLines(SourceOf(name)), $"{page}, snippet {name}");
        }
    }

    [Test]
    public void The_library_snippet_trains_and_writes_an_adapter()
    {
        string output = Directory.CreateTempSubdirectory("peftcore-snippet-").FullName;
        try
        {
            string demo = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo");
            Library.Run(Path.Combine(demo, "base-llama"), Path.Combine(demo, "data", "train.jsonl"), output);
            Assert.That(Path.Combine(output, "adapter_model.safetensors"), Does.Exist);
        }
        finally
        {
            Directory.Delete(output, recursive: true);
        }
    }

    [Test]
    public void The_lora_snippet_writes_adapters_and_a_merged_model()
    {
        using var directory = new TemporaryDirectory();
        LoraAdapters.Run(TestFiles.Fixture("hf", "llama", "base"), directory["adapters"], directory["merged"]);
        Assert.That(directory["adapters", "task", "adapter_model.safetensors"], Does.Exist);
        Assert.That(directory["merged", "model.safetensors"], Does.Exist);
    }

    private static string SourceOf(string name) => Path.Combine(TestFiles.Root, "tests", "PeftCore.Tests", "Docs", "Snippets", name + ".cs");

    private static void AssertInOrder(List<string> snippet, string[] source, string what)
    {
        int at = 0;
        foreach (string line in snippet)
        {
            while (at < source.Length && source[at].Trim() != line)
            {
                at++;
            }
            Assert.That(at, Is.LessThan(source.Length), $"{what}: this line is not in the compiled file, or not in this order: {line}");
            at++;
        }
    }
}
