using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>The named character classes of Oniguruma for UTF-8.</summary>
internal static class RegexClasses
{
    // Circled and squared Latin letters are alphabetic though they are symbols.
    private const string WordInner = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9";

    public static CharacterClass Space { get; } = CharacterClass.Named(CodePointSet.Of(
        [(9, 13), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
            (0x205F, 0x205F), (0x3000, 0x3000)]), @"\s");

    public static CharacterClass Digit { get; } = CharacterClass.Named(CategorySets.Find("Nd")!, @"\d");

    public static CharacterClass HexDigit { get; } = CharacterClass.Of(CodePointSet.Of([('0', '9'), ('A', 'F'), ('a', 'f')]));

    /// <summary>The word characters of bracket expressions.</summary>
    public static CharacterClass Word { get; } = CharacterClass.Named(WordSet(), WordInner);

    /// <summary>The \w outside brackets and the two sides of \b, where Oniguruma also takes the digits and fractions of Latin-1.</summary>
    public static CharacterClass WordEscape { get; } = CharacterClass.Named(
        WordSet().Union(CodePointSet.Of([(0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE)])), WordInner + @"\u00B2\u00B3\u00B9\u00BC-\u00BE");

    public static CharacterClass NotNewline { get; } = CharacterClass.Named(CodePointSet.Range('\n', '\n'), @"\n").Negate();

    public static CharacterClass Any { get; } = CharacterClass.Named(CodePointSet.Empty, "").Negate();

    /// <summary>A class by property name, or null if the name is not known. Names compare without case, spaces, hyphens and
    /// underscores.</summary>
    public static CharacterClass? Find(string name)
    {
        var plain = new StringBuilder();
        foreach (char c in name)
        {
            if (c is not (' ' or '-' or '_'))
            {
                plain.Append(char.ToLowerInvariant(c));
            }
        }

        string key = plain.ToString();
        if (LongNames.GetValueOrDefault(key, key) is { Length: <= 2 } category && CategorySets.Find(category) is { } set)
        {
            // .NET's C counts the private use area and surrogates, which CodePointRemapper uses for substitutes.
            return CharacterClass.Named(set, char.ToLowerInvariant(category[0]) == 'c' ? null : $@"\p{{{CategorySets.Spell(category)}}}");
        }

        return Posix(key) ?? (Scripts.Find(key) is { } script ? CharacterClass.Of(script) : null);
    }

    /// <summary>A class by the name it has in [[:name:]].</summary>
    public static CharacterClass? Posix(string key) => key switch
    {
        "alnum" => CharacterClass.Of(Alphabetic().Union(CategorySets.Find("Nd")!)),
        "alpha" or "alphabetic" => CharacterClass.Of(Alphabetic()),
        "ascii" => CharacterClass.Of(CodePointSet.Range(0, 0x7F)),
        "any" => Any,
        "blank" => CharacterClass.Of(CategorySets.Find("Zs")!.Union(CodePointSet.Range('\t', '\t'))),
        "cntrl" => CharacterClass.Of(CategorySets.Find("Cc")!),
        "digit" => Digit,
        "graph" => CharacterClass.Of(Visible().Except(Space.Set)),
        "lower" or "lowercase" => CharacterClass.Of(CategorySets.Find("Ll")!.Union(Scripts.Find("otherlowercase")!)),
        "print" => CharacterClass.Of(Visible().Except(CodePointSet.Of([(0x2028, 0x2029)]))),
        "punct" => CharacterClass.Named(CategorySets.Find("P")!, @"\p{P}"),
        "space" or "whitespace" => Space,
        "upper" or "uppercase" => CharacterClass.Of(CategorySets.Find("Lu")!.Union(Scripts.Find("otheruppercase")!)),
        "word" => Word,
        "xdigit" => HexDigit,
        _ => null,
    };

    private static readonly Dictionary<string, string> LongNames = new(StringComparer.Ordinal)
    {
        ["letter"] = "L", ["uppercaseletter"] = "Lu", ["lowercaseletter"] = "Ll", ["titlecaseletter"] = "Lt", ["modifierletter"] = "Lm",
        ["otherletter"] = "Lo", ["mark"] = "M", ["combiningmark"] = "M", ["nonspacingmark"] = "Mn", ["spacingmark"] = "Mc",
        ["enclosingmark"] = "Me", ["number"] = "N", ["decimalnumber"] = "Nd", ["letternumber"] = "Nl", ["othernumber"] = "No",
        ["punctuation"] = "P", ["connectorpunctuation"] = "Pc", ["dashpunctuation"] = "Pd", ["openpunctuation"] = "Ps",
        ["closepunctuation"] = "Pe", ["initialpunctuation"] = "Pi", ["finalpunctuation"] = "Pf", ["otherpunctuation"] = "Po",
        ["symbol"] = "S", ["mathsymbol"] = "Sm", ["currencysymbol"] = "Sc", ["modifiersymbol"] = "Sk", ["othersymbol"] = "So",
        ["separator"] = "Z", ["spaceseparator"] = "Zs", ["lineseparator"] = "Zl", ["paragraphseparator"] = "Zp", ["other"] = "C",
        ["control"] = "Cc", ["format"] = "Cf", ["surrogate"] = "Cs", ["privateuse"] = "Co", ["unassigned"] = "Cn",
    };

    private static CodePointSet WordSet() => CodePointSet.Of(
        new[] { "L", "M", "Nd", "Nl", "Pc" }.SelectMany(c => CategorySets.Find(c)!.Ranges())
            .Concat([(0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)]));

    private static CodePointSet Alphabetic() =>
        CategorySets.Find("L")!.Union(CategorySets.Find("Nl")!).Union(Scripts.Find("otheralphabetic")!);

    private static CodePointSet Visible() =>
        CategorySets.Find("Cc")!.Union(CategorySets.Find("Cn")!).Union(CategorySets.Find("Cs")!).Complement();
}
