using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>One character of a regular expression: the set of code points it may be, and how .NET can write that set for the basic
/// plane. <paramref name="Inner"/> is the text between the brackets; where it is null the ranges of the set are written out.</summary>
/// <param name="Set">The code points.</param>
/// <param name="Inner">What .NET writes inside brackets for the basic plane; it matches no private-use character.</param>
/// <param name="Negated">Whether the set is everything but <paramref name="Inner"/>.</param>
internal sealed record CharacterClass(CodePointSet Set, string? Inner, bool Negated)
{
    public static CharacterClass Of(CodePointSet set) => new(set, null, false);

    public static CharacterClass Single(int codePoint) =>
        new(CodePointSet.Range(codePoint, codePoint), codePoint is < 0xE000 or (> 0xF8FF and < 0x10000) ? Escape(codePoint) : null, false);

    /// <summary>A set that has a name in .NET such as \p{L} or \s.</summary>
    public static CharacterClass Named(CodePointSet set, string? inner) => new(set, inner, false);

    public CharacterClass Negate() => new(Set.Complement(), Inner, !Negated);

    /// <summary>The union, keeping the short form where both have one.</summary>
    public CharacterClass Union(CharacterClass other) => new(
        Set.Union(other.Set),
        Inner is not null && other.Inner is not null && !Negated && !other.Negated ? Inner + other.Inner : null,
        false);

    /// <summary>The class in .NET's syntax. <paramref name="remapper"/> are private-use characters that represent code points beyond the
    /// basic plane; null where the text has neither.</summary>
    public string ToNet(CodePointRemapper? remapper)
    {
        var inner = new StringBuilder();
        if (Inner is not null)
        {
            inner.Append(Inner);
            inner.Append(remapper?.Of(Negated ? Set.Complement() : Set));
            return inner.Length > 0 ? $"[{(Negated ? "^" : "")}{inner}]" : Negated ? @"[\s\S]" : "(?!)";
        }

        foreach (var (first, last) in Set.Ranges())
        {
            AppendRange(inner, first, Math.Min(last, 0xD7FF));
            AppendRange(inner, Math.Max(first, 0xF900), Math.Min(last, 0xFFFF));
        }

        inner.Append(remapper?.Of(Set));
        return inner.Length > 0 ? $"[{inner}]" : "(?!)";
    }

    private static void AppendRange(StringBuilder inner, int first, int last)
    {
        if (first <= last)
        {
            inner.Append(Escape(first)).Append(first < last ? "-" + Escape(last) : "");
        }
    }

    private static string Escape(int c) => @"\u" + c.ToString("X4", CultureInfo.InvariantCulture);
}
