using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>What a string consists of: the methods isalpha, islower and so on.</summary>
internal static class JinjaStringKinds
{
    public static bool Is(string kind, string text)
    {
        Func<Rune, bool> test = kind switch
        {
            "isalnum" => JinjaStrings.IsAlphanumeric,
            "isalpha" => Rune.IsLetter,
            "isdecimal" => JinjaStrings.IsDecimal,
            "isdigit" => JinjaStrings.IsDigit,
            "isnumeric" => JinjaStrings.IsNumeric,
            _ => rune => JinjaStrings.IsSpace(rune.Value),
        };
        return text.Length > 0 && text.EnumerateRunes().All(test);
    }

    public static bool IsLower(string text) => AllCased(text, Rune.IsLower);

    public static bool IsUpper(string text) => AllCased(text, Rune.IsUpper);

    public static bool IsTitle(string text)
    {
        var (inWord, any) = (false, false);
        foreach (var rune in text.EnumerateRunes())
        {
            bool starts = Rune.IsUpper(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;
            if (starts ? inWord : Rune.IsLower(rune) && !inWord)
            {
                return false;
            }

            inWord = JinjaCase.IsCased(rune);
            any |= inWord;
        }

        return any;
    }

    public static bool IsIdentifier(string text)
    {
        bool first = true;
        foreach (var rune in text.EnumerateRunes())
        {
            if (!(Rune.IsLetter(rune) || rune.Value == '_' || Rune.GetUnicodeCategory(rune) == UnicodeCategory.LetterNumber
                || (!first && Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.NonSpacingMark
                    or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.ConnectorPunctuation)))
            {
                return false;
            }

            first = false;
        }

        return !first;
    }

    private static bool AllCased(string text, Func<Rune, bool> test)
    {
        bool any = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (JinjaCase.IsCased(rune))
            {
                if (!test(rune))
                {
                    return false;
                }

                any = true;
            }
        }

        return any;
    }
}
