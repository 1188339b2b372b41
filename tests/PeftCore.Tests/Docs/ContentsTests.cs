using System.Text.RegularExpressions;

namespace PeftCore.Tests.Docs;

/// <summary>Every page of docs is in one table of contents of the site.</summary>
public sealed partial class ContentsTests
{
    private const string Update = "PEFTCORE_UPDATE_DOCS";

    private static readonly string Docs = Path.Combine(TestFiles.Root, "docs"), Guide = Path.Combine(Docs, "contents", "toc.yml");

    // The first page and the viewer of source files are reached otherwise.
    private static readonly string[] Unlisted = ["index.md", "source-file.md"];

    [Test]
    public void Every_page_is_listed_once()
    {
        string[] listed = [.. Directory.GetFiles(Docs, "toc.yml", SearchOption.AllDirectories).SelectMany(Listed)];
        string[] pages = [.. Directory.GetFiles(Docs, "*.md", SearchOption.AllDirectories).Except(Unlisted.Select(page => Path.Combine(Docs, page)))
            .Order(StringComparer.Ordinal)];
        string[] missing = [.. pages.Except(listed)];
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.AppendAllLines(Guide, missing.Where(page => !HasGeneratedContents(page)).SelectMany(Entry));
            return;
        }

        Assert.That(listed, Is.Unique);
        Assert.That(missing, Is.Empty, $"no toc.yml lists these pages: add them to docs/contents/toc.yml, or run this test once with {Update}=1");
        Assert.That(listed.Where(page => !File.Exists(page)), Is.Empty, "these pages are listed, and are not there");
    }

    private static IEnumerable<string> Listed(string contents) => Reference().Matches(File.ReadAllText(contents))
        .Select(match => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(contents)!, match.Groups["page"].Value)));

    // The writers of the lessons' and the verbs' pages write their tables of contents too.
    private static bool HasGeneratedContents(string page) => ((string[])["lessons", "verbs"])
        .Any(folder => page.StartsWith(Path.Combine(Docs, folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal));

    private static string[] Entry(string page) =>
        [$"- name: \"{File.ReadLines(page).First().TrimStart('#', ' ')}\"", $"  href: {Path.GetRelativePath(Path.GetDirectoryName(Guide)!, page).Replace('\\', '/')}"];

    [GeneratedRegex(@"^ *(?:- )?href: (?<page>\S+\.md)\s*$", RegexOptions.Multiline)]
    private static partial Regex Reference();
}
