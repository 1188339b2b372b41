using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Which characters are the same but for case.</summary>
internal static class CaseFolding
{
    private static readonly Lazy<Dictionary<int, int[]>> Groups = new(Build);

    /// <summary>A set with every other case of its characters.</summary>
    public static CodePointSet Close(CodePointSet set) =>
        CodePointSet.Of(set.Ranges().Concat(
            Groups.Value.Values.Where(group => group.Any(set.Contains)).SelectMany(group => group.Select(c => (c, c)))));

    // .NET leaves the long s alone because its capital is in ASCII.
    private static int Fold(int codePoint) =>
        codePoint == 0x17F ? 's' : Rune.ToLowerInvariant(Rune.ToUpperInvariant(new Rune(codePoint))).Value;

    private static Dictionary<int, int[]> Build()
    {
        var groups = new Dictionary<int, List<int>>();
        for (int c = 0; c < 0x1F000; c++)
        {
            if (c is >= 0xD800 and <= 0xDFFF || (Fold(c) == c && Rune.ToUpperInvariant(new Rune(c)).Value == c))
            {
                continue;
            }

            int fold = Fold(c);
            if (!groups.TryGetValue(fold, out var group))
            {
                groups[fold] = group = [fold];
            }

            if (c != fold)
            {
                group.Add(c);
            }
        }

        return groups.ToDictionary(g => g.Key, g => g.Value.ToArray());
    }
}
