using System.Collections.Concurrent;
using System.Net;
using System.Text.RegularExpressions;

namespace PeftCore.Deployment.Tests;

/// <summary>The links within a built site: those without a scheme.</summary>
internal sealed partial class SiteLinks
{
    private readonly string _root;
    private readonly ConcurrentDictionary<string, HashSet<string>> _anchors = new(StringComparer.Ordinal);

    public SiteLinks(string root)
    {
        _root = root;
        Pages = [.. Directory.GetFiles(root, "*.html", SearchOption.AllDirectories)];
    }

    public IReadOnlyList<string> Pages { get; }

    /// <summary>"page: link" for each link that leads to no file of the site, or to no anchor of that file.</summary>
    public IReadOnlyList<string> Dead() => [.. Pages.AsParallel().SelectMany(page => LinksOf(page).Where(link => !Exists(page, link))
        .Select(link => $"{Path.GetRelativePath(_root, page)}: {link}")).Order(StringComparer.Ordinal)];

    /// <summary>The links of a page, without those of other sites.</summary>
    public static IEnumerable<string> LinksOf(string page) => Link().Matches(File.ReadAllText(page))
        .Select(match => WebUtility.HtmlDecode(match.Groups["target"].Value)).Where(link => !Scheme().IsMatch(link)).Distinct();

    private bool Exists(string page, string link)
    {
        string[] parts = link.Split('#', 2);
        string path = Uri.UnescapeDataString(parts[0].Split('?')[0]);
        string target = path.Length == 0 ? page
            : Path.GetFullPath(path.StartsWith('/') ? _root + path : Path.Combine(Path.GetDirectoryName(page)!, path));
        if (!target.StartsWith(_root, StringComparison.Ordinal) || !File.Exists(target))
        {
            return false;
        }
        return parts.Length == 1 || parts[1].Length == 0 || !target.EndsWith(".html", StringComparison.Ordinal)
            || _anchors.GetOrAdd(target, AnchorsOf).Contains(Uri.UnescapeDataString(parts[1]));
    }

    private static HashSet<string> AnchorsOf(string page) =>
        [.. Anchor().Matches(File.ReadAllText(page)).Select(match => WebUtility.HtmlDecode(match.Groups["id"].Value))];

    [GeneratedRegex(@"<(?:a|link|img|script|source)\b[^>]*?\s(?:href|src)=""(?<target>[^""]*)""")]
    private static partial Regex Link();

    [GeneratedRegex(@"\s(?:id|name)=""(?<id>[^""]*)""")]
    private static partial Regex Anchor();

    [GeneratedRegex(@"^([a-z][a-z0-9+.-]*:|//)", RegexOptions.IgnoreCase)]
    private static partial Regex Scheme();
}
