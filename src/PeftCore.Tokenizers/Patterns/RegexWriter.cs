using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Writes a parsed regular expression in .NET's syntax.</summary>
internal sealed class RegexWriter(CodePointRemapper? remapper)
{
    private readonly StringBuilder _text = new();

    public static string Write(RegexNode root, CodePointRemapper? remapper)
    {
        var writer = new RegexWriter(remapper);
        writer.Append(root);
        return writer._text.ToString();
    }

    /// <summary>All classes of an expression.</summary>
    public static IEnumerable<CodePointSet> Sets(RegexNode node) => node switch
    {
        RegexNode.Character c => [c.Class.Set],
        RegexNode.Sequence s => s.Parts.SelectMany(Sets),
        RegexNode.Alternation a => a.Branches.SelectMany(Sets),
        RegexNode.Group g => Sets(g.Body),
        RegexNode.Repeat r => Sets(r.Body),
        RegexNode.WordBoundary => [RegexClasses.WordEscape.Set],
        _ => [],
    };

    private void Append(RegexNode node)
    {
        switch (node)
        {
            case RegexNode.Character c:
                _text.Append(c.Class.ToNet(remapper));
                break;
            case RegexNode.Sequence s:
                foreach (var part in s.Parts)
                {
                    Append(part);
                }

                break;
            case RegexNode.Alternation a:
                _text.Append("(?:");
                for (int i = 0; i < a.Branches.Count; i++)
                {
                    _text.Append(i > 0 ? "|" : "");
                    Append(a.Branches[i]);
                }

                _text.Append(')');
                break;
            case RegexNode.Group g:
                _text.Append(g.Opening);
                Append(g.Body);
                _text.Append(')');
                break;
            case RegexNode.Anchor anchor:
                _text.Append(anchor.Net);
                break;
            case RegexNode.WordBoundary b:
                string word = RegexClasses.WordEscape.ToNet(remapper);
                _text.Append(b.Negated ? $"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"
                    : $"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))");
                break;
            case RegexNode.Repeat r:
                Append(r);
                break;
        }
    }

    private void Append(RegexNode.Repeat repeat)
    {
        _text.Append(repeat.Greed == Greed.Possessive ? "(?>" : "");
        bool single = repeat.Body is RegexNode.Character;
        _text.Append(single ? "" : "(?:");
        Append(repeat.Body);
        _text.Append(single ? "" : ")");
        _text.Append((repeat.Min, repeat.Max) switch
        {
            (0, -1) => "*",
            (1, -1) => "+",
            (0, 1) => "?",
            (_, -1) => string.Create(CultureInfo.InvariantCulture, $"{{{repeat.Min},}}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{{{repeat.Min},{repeat.Max}}}"),
        });
        _text.Append(repeat.Greed switch { Greed.Lazy => "?", Greed.Possessive => ")", _ => "" });
    }
}
