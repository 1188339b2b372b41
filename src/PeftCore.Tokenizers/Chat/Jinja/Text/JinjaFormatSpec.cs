using System.Globalization;
using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>How one value is formatted: [[fill]align][sign][#][0][width][grouping][.precision][type] of Python's format language.</summary>
internal sealed class JinjaFormatSpec
{
    private const int MaxWidth = 1 << 20;

    public string Fill { get; set; } = " ";

    /// <summary>'&lt;', '&gt;', '^', '=' or '\0' for the type's own.</summary>
    public char Align { get; set; }

    public char Sign { get; set; } = '-';

    public bool Alternate { get; set; }

    public int Width { get; set; }

    public char Grouping { get; set; }

    public int? Precision { get; set; }

    public char Type { get; set; }

    public static JinjaFormatSpec Parse(string text)
    {
        var spec = new JinjaFormatSpec();
        int at = 0;
        int first = text.Length > 0 ? text.AsSpan().CodePointLength(0) : 0;
        if (first > 0 && first < text.Length && "<>^=".Contains(text[first], StringComparison.Ordinal))
        {
            (spec.Fill, spec.Align, at) = (text[..first], text[first], first + 1);
        }
        else if (Take("<>^=") is var align and not '\0')
        {
            spec.Align = align;
        }

        spec.Sign = Take("+- ") is var sign and not '\0' ? sign : '-';
        if (Take("z") != '\0')
        {
            throw JinjaError.Of("it uses the format option 'z'");
        }

        spec.Alternate = Take("#") != '\0';
        if (Take("0") != '\0' && spec.Align == '\0')
        {
            (spec.Fill, spec.Align) = ("0", '=');
        }

        spec.Width = Number() ?? 0;
        spec.Grouping = Take(",_");
        if (Take(".") != '\0')
        {
            spec.Precision = Number() ?? throw JinjaError.Of("a format has '.' without a precision");
        }

        spec.Type = at < text.Length ? text[at++] : '\0';
        return at == text.Length ? spec : throw JinjaError.Of($"'{text}' is not a format");

        char Take(string choices) => at < text.Length && choices.Contains(text[at], StringComparison.Ordinal) ? text[at++] : '\0';

        int? Number()
        {
            int start = at;
            while (at < text.Length && char.IsAsciiDigit(text[at]))
            {
                at++;
            }

            return start == at ? null : ParseNumber(text[start..at]);
        }
    }

    public static int ParseNumber(string digits) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture,
        out int number) && number <= MaxWidth
        ? number
        : throw JinjaError.Of($"a format has the width or precision {digits}");

    public string Format(object? value)
    {
        switch (value)
        {
            case string or JinjaMarkup:
                return FormatText(JinjaText.Str(value));
            case bool when Type == '\0' && IsBare:
                return JinjaText.Str(value);
            case double real:
                return FormatFloat(real);
            case not null when JinjaNumbers.IsInteger(value):
                return "eEfFgG%".Contains(Type, StringComparison.Ordinal)
                    ? FormatFloat(JinjaNumbers.ToDouble(value)) : FormatInteger(JinjaNumbers.ToBig(value));
            default:
                return Type == '\0' && IsBare ? JinjaText.Str(value)
                    : throw JinjaError.Of($"the format does not take {JinjaText.Describe(value)}");
        }
    }

    /// <summary>The digits of an integer in the base of a type: d, x, X, o or b.</summary>
    public static string Digits(BigInteger magnitude, char type)
    {
        if (type is 'd' or 'n' or '\0')
        {
            return magnitude.ToString(CultureInfo.InvariantCulture);
        }

        int size = type switch { 'o' => 3, 'b' => 1, _ => 4 };
        var digits = new Stack<char>();
        do
        {
            int digit = (int)(magnitude & ((1 << size) - 1));
            digits.Push("0123456789abcdef"[digit]);
            magnitude >>= size;
        }
        while (!magnitude.IsZero);
        string text = string.Concat(digits);
        return type == 'X' ? text.ToUpperInvariant() : text;
    }

    /// <summary>The digits of a float for the types e, f, g and their capitals.</summary>
    public static string Digits(double value, char type, int precision, bool alternate)
    {
        if (!double.IsFinite(value))
        {
            string special = double.IsNaN(value) ? "nan" : "inf";
            return char.IsUpper(type) ? special.ToUpperInvariant() : special;
        }

        string text = char.ToLowerInvariant(type) switch
        {
            'e' => JinjaFloatText.Scientific(value, precision),
            'f' => JinjaFloatText.Fixed(value, precision),
            _ => JinjaFloatText.General(value, precision, alternate, addPoint: false),
        };
        text = alternate && precision == 0 && type is 'f' or 'F' ? text + "." : text;
        return char.IsUpper(type) ? text.ToUpperInvariant() : text;
    }

    private bool IsBare => Width == 0 && Precision is null && Align == '\0' && Sign == '-' && !Alternate && Grouping == '\0';

    private string FormatText(string text)
    {
        if (Type is not ('\0' or 's') || Sign != '-' || Alternate || Grouping != '\0' || (Align == '=' && Fill != "0"))
        {
            throw JinjaError.Of("a format for numbers is used for a string");
        }

        text = Precision is { } most && most < CodePoints.Count(text) ? JinjaStrings.Slice(text, 0, most) : text;
        return Fit("", text, Align is '\0' or '=' ? '<' : Align);
    }

    private string FormatInteger(BigInteger value)
    {
        if (Precision is not null || !"\0bcdnoxX".Contains(Type, StringComparison.Ordinal)
            || (Grouping == ',' && "boxX".Contains(Type, StringComparison.Ordinal)))
        {
            throw JinjaError.Of("the format does not take an integer");
        }

        if (Type == 'c')
        {
            return Fit("", JinjaFormat.Character((object)JinjaNumbers.Make(value)), Align == '\0' ? '<' : Align);
        }

        string prefix = Alternate && "boxX".Contains(Type, StringComparison.Ordinal) ? $"0{Type}" : "";
        return Assemble(value.Sign < 0, prefix, Digits(BigInteger.Abs(value), Type), "boxX".Contains(Type, StringComparison.Ordinal)
            ? 4 : 3);
    }

    private string FormatFloat(double value)
    {
        string digits;
        switch (Type)
        {
            case '\0' when Precision is null || !double.IsFinite(value):
                digits = JinjaFloatText.Repr(value).TrimStart('-');
                break;
            case '\0':
                digits = JinjaFloatText.General(value, Precision.Value, Alternate, addPoint: true);
                break;
            case '%':
                digits = Digits(value * 100, 'f', Precision ?? 6, Alternate) + "%";
                break;
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or 'n':
                digits = Digits(value, Type == 'n' ? 'g' : Type, Precision ?? 6, Alternate);
                break;
            default:
                throw JinjaError.Of($"the format '{Type}' does not take a float");
        }

        return Assemble(double.IsNegative(value) && !double.IsNaN(value), "", digits, 3);
    }

    private string Assemble(bool negative, string prefix, string digits, int group)
    {
        string sign = (negative ? "-" : Sign == '-' ? "" : Sign.ToString()) + prefix;
        int whole = digits.TakeWhile(char.IsAsciiHexDigit).Count();
        if (digits.Length > 0 && whole > 0 && digits.IndexOfAny(['e', 'E']) is >= 0 and var mark && group == 3)
        {
            whole = Math.Min(whole, mark);
        }

        bool padded = Align == '=' && Fill == "0";
        if (Grouping != '\0')
        {
            digits = Group(digits[..whole], group, padded ? Width - sign.Length - (digits.Length - whole) : 0) + digits[whole..];
        }

        return Fit(sign, digits, Align == '\0' ? '>' : Align);
    }

    private string Group(string whole, int size, int least)
    {
        string text = "";
        for (int taken = 0; taken < whole.Length || text.Length < least; taken++)
        {
            string mark = taken > 0 && taken % size == 0 ? Grouping.ToString() : "";
            text = (taken < whole.Length ? whole[^(taken + 1)] : '0') + mark + text;
        }

        return text;
    }

    private string Fit(string sign, string text, char align)
    {
        int missing = Math.Max(0, Width - sign.Length - CodePoints.Count(text));
        int left = align switch { '<' => 0, '^' => missing / 2, _ => missing };
        string Pad(int count) => string.Concat(Enumerable.Repeat(Fill, count));
        return align == '=' ? sign + Pad(missing) + text : Pad(left) + sign + text + Pad(missing - left);
    }
}
