using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Sets of code points by Unicode property, as Oniguruma names them.</summary>
internal static class CategorySets
{
    private static readonly string[] Names =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps",
        "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];

    private static readonly Lazy<CodePointSet[]> Sets = new(Scan);

    /// <summary>The set of a general category of one or two letters ("L", "Lu"), or null for any other name.</summary>
    public static CodePointSet? Find(string name)
    {
        if (name.Length is 0 or > 2)
        {
            return null;
        }

        var found = Enumerable.Range(0, Names.Length)
            .Where(i => Names[i].StartsWith(name, StringComparison.OrdinalIgnoreCase))
            .SelectMany(i => Sets.Value[i].Ranges())
            .ToList();
        return found.Count == 0 ? null : CodePointSet.Of(found);
    }

    /// <summary>The name as .NET spells it.</summary>
    public static string Spell(string name) => name.Length == 1 ? name.ToUpperInvariant()
        : $"{char.ToUpperInvariant(name[0])}{char.ToLowerInvariant(name[1])}";

    private static CodePointSet[] Scan()
    {
        var ranges = new List<(int, int)>[Names.Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = [];
        }

        int start = 0;
        var category = CharUnicodeInfo.GetUnicodeCategory(0);
        for (int codePoint = 1; codePoint <= 0x110000; codePoint++)
        {
            var next = codePoint < 0x110000 ? CharUnicodeInfo.GetUnicodeCategory(codePoint) : (UnicodeCategory)(-1);
            if (next != category)
            {
                ranges[(int)category].Add((start, codePoint - 1));
                start = codePoint;
                category = next;
            }
        }

        return [.. ranges.Select(CodePointSet.Of)];
    }
}
