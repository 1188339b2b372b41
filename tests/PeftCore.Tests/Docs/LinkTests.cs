namespace PeftCore.Tests.Docs;

/// <summary>The relative links of README, CONTRIBUTING, docs and benchmarks lead to files and headings that are there.</summary>
public sealed class LinkTests
{
    private static IEnumerable<string> Pages() =>
        Directory.GetFiles(TestFiles.Root, "*.md")
            .Concat(((string[])["docs", "bench"]).SelectMany(folder =>
                Directory.GetFiles(Path.Combine(TestFiles.Root, folder), "*.md", SearchOption.AllDirectories)))
            .Select(path => Path.GetRelativePath(TestFiles.Root, path)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Pages))]
    public void Its_links_lead_somewhere(string page)
    {
        string path = Path.Combine(TestFiles.Root, page);
        Assert.That(new MarkdownPage(path).Links.Where(link => !link.Contains("://", StringComparison.Ordinal)).Distinct()
            .Where(link => !Exists(path, link)), Is.Empty);
    }

    private static IEnumerable<string> SitePages() =>
        Pages().Where(page => page.StartsWith("docs", StringComparison.Ordinal) || page.StartsWith("bench", StringComparison.Ordinal));

    // The site has docs, the pages of bench and the sources; folders and the README are no pages of it. docfx finds docs from its own
    // folder alone, not from a page of bench.
    [TestCaseSource(nameof(SitePages))]
    public void Its_links_lead_to_files_of_the_site(string page)
    {
        string path = Path.Combine(TestFiles.Root, page), folder = Path.GetDirectoryName(path)!;
        string[] tops = page.StartsWith("docs", StringComparison.Ordinal) ? ["docs", "src", "bench"] : ["bench"];
        Assert.That(new MarkdownPage(path).Links
            .Where(link => !link.Contains("://", StringComparison.Ordinal) && !link.StartsWith('#')).Where(link =>
            {
                string target = Path.GetFullPath(Path.Combine(folder, link.Split('#')[0]));
                return !File.Exists(target)
                    || !tops.Contains(Path.GetRelativePath(TestFiles.Root, target).Split(Path.DirectorySeparatorChar)[0]);
            }), Is.Empty);
    }

    private static bool Exists(string page, string link)
    {
        string[] parts = link.Split('#');
        string target = parts[0].Length == 0 ? page : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, parts[0]));
        return parts.Length == 1 || !target.EndsWith(".md", StringComparison.Ordinal)
            ? File.Exists(target) || Directory.Exists(target)
            : File.Exists(target) && new MarkdownPage(target).Anchors.Contains(parts[1]);
    }
}
