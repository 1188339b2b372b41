using System.Globalization;
using UC = System.Globalization.UnicodeCategory;

namespace PeftCore.Tokenizers;

/// <summary>Kinds of characters as the parts of Hugging Face tokenizers see them. Each of its dependencies froze another version of
/// Unicode; the table ChangedKinds.txt holds where they differ from that of .NET.</summary>
internal static class CharacterKinds
{
    private static readonly Lazy<Dictionary<string, CodePointSet>> Changed = new(() => UnicodeResource.Lines("ChangedKinds.txt")
        .Select(line => line.Split(' ', 2))
        .ToDictionary(parts => parts[0], parts => CodePointSet.Of(Scripts.ParseRanges(parts[1]))));

    public static bool IsWhiteSpace(int codePoint) => codePoint < 0x10000 && char.IsWhiteSpace((char)codePoint);

    /// <summary>Letters, marks, digits, letter-like numbers, connectors and joiners.</summary>
    public static bool IsWord(int codePoint)
    {
        if (codePoint < 0x80)
        {
            return char.IsAsciiLetterOrDigit((char)codePoint) || codePoint == '_';
        }

        return Category(codePoint) is UC.UppercaseLetter or UC.LowercaseLetter or UC.TitlecaseLetter or UC.ModifierLetter or UC.OtherLetter
                or UC.NonSpacingMark or UC.SpacingCombiningMark or UC.EnclosingMark or UC.DecimalDigitNumber or UC.LetterNumber
                or UC.ConnectorPunctuation
            || codePoint is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169)
                or (>= 0x1F170 and <= 0x1F189);
    }

    public static bool IsPunctuation(int codePoint) => codePoint < 0x80
        ? codePoint is > ' ' and < 0x7F && !char.IsAsciiLetterOrDigit((char)codePoint)
        : Is(codePoint, "punctuation", Category(codePoint) is UC.ConnectorPunctuation or UC.DashPunctuation or UC.OpenPunctuation
            or UC.ClosePunctuation or UC.InitialQuotePunctuation or UC.FinalQuotePunctuation or UC.OtherPunctuation);

    public static bool IsNumeric(int codePoint) => codePoint < 0x80
        ? char.IsAsciiDigit((char)codePoint)
        : Is(codePoint, "number", Category(codePoint) is UC.DecimalDigitNumber or UC.LetterNumber or UC.OtherNumber);

    /// <summary>Any mark.</summary>
    public static bool IsMark(int codePoint) => codePoint >= 0x300 && Is(codePoint, "mark",
        Category(codePoint) is UC.NonSpacingMark or UC.SpacingCombiningMark or UC.EnclosingMark);

    /// <summary>A mark that takes no room, such as an accent.</summary>
    public static bool IsNonSpacingMark(int codePoint) =>
        codePoint >= 0x300 && Is(codePoint, "nonspacing", Category(codePoint) is UC.NonSpacingMark);

    /// <summary>Control, format and private-use characters.</summary>
    public static bool IsOther(int codePoint) => codePoint < 0x80
        ? codePoint is < 0x20 or 0x7F
        : Is(codePoint, "other", Category(codePoint) is UC.Control or UC.Format or UC.PrivateUse);

    /// <summary>A character in lower case. Only the dotted capital I becomes more than one, and the second is left out here.</summary>
    public static int ToLower(int codePoint) => codePoint switch
    {
        < 0x80 => codePoint is >= 'A' and <= 'Z' ? codePoint | 0x20 : codePoint,
        0x130 => 'i',
        // Letters newer than the tables of .NET.
        0xA7CE or 0xA7D2 or 0xA7D4 => codePoint + 1,
        >= 0x16EA0 and <= 0x16EB8 => codePoint + 27,
        _ => System.Text.Rune.ToLowerInvariant(new System.Text.Rune(codePoint)).Value,
    };

    private static bool Is(int codePoint, string kind, bool today) => today != Changed.Value[kind].Contains(codePoint);

    private static UC Category(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint);
}
