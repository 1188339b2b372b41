using System.Text.RegularExpressions;

namespace PeftCore.Tests.Docs;

/// <summary>A Markdown file: its links and the anchors of its headings.</summary>
internal sealed partial class MarkdownPage(string path)
{
    // Code is not searched for links.
    private readonly string _text = Code().Replace(File.ReadAllText(path), "");

    /// <summary>The targets of its links and pictures, as written.</summary>
    public IEnumerable<string> Links => Link().Matches(_text).Select(match => match.Groups["target"].Value);

    /// <summary>The anchors of its headings, as GitHub and docfx make them; explicit ones too.</summary>
    public IReadOnlySet<string> Anchors
    {
        get
        {
            var anchors = new HashSet<string>(StringComparer.Ordinal);
            foreach (Match heading in Heading().Matches(Fence().Replace(File.ReadAllText(path), "")))
            {
                string anchor = AnchorOf(heading.Groups["text"].Value), unique = anchor;
                for (int i = 1; !anchors.Add(unique); i++)
                {
                    unique = $"{anchor}-{i}";
                }
            }
            anchors.UnionWith(Identifier().Matches(_text).Select(match => match.Groups["id"].Value));
            return anchors;
        }
    }

    private static string AnchorOf(string heading)
    {
        string plain = Link().Replace(heading, match => match.Groups["text"].Value).ToLowerInvariant();
        return string.Concat(plain.Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')).Replace(' ', '-');
    }

    [GeneratedRegex(@"!?\[(?<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?<target>[^)\s]+)\)|<img [^>]*src=""(?<target>[^""]+)""")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#{1,6} +(?<text>.+?)\s*$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"<a (?:id|name)=""(?<id>[^""]+)""")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"^ *```.*?^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^ *```.*?^ *```|`[^`\n]*`(?!\])", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Code();
}
