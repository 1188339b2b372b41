using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>The method format of strings: "{} {0} {name.member[item]!r:spec}".</summary>
internal sealed class JinjaBraces(JinjaArguments arguments, JinjaRun run)
{
    private int _next;
    private bool _numbered;

    public static string Format(string format, JinjaArguments arguments, JinjaRun run) =>
        run.Made(new JinjaBraces(arguments, run).Format(format, depth: 2));

    private string Format(string format, int depth)
    {
        if (depth == 0)
        {
            throw JinjaError.Of("a format nests more than twice");
        }

        var text = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] is not ('{' or '}'))
            {
                text.Append(format[i]);
            }
            else if (i + 1 < format.Length && format[i + 1] == format[i])
            {
                text.Append(format[i++]);
            }
            else if (format[i] == '}')
            {
                throw JinjaError.Of("a format has '}' alone");
            }
            else
            {
                int end = ClosingBrace(format, i);
                text.Append(run.Made(Field(format[(i + 1)..end], depth)));
                i = end;
            }
        }

        return text.ToString();
    }

    private static int ClosingBrace(string format, int at)
    {
        var (depth, bracket) = (0, false);
        for (int i = at; i < format.Length; i++)
        {
            bracket = format[i] == '[' && depth == 1 ? true : format[i] != ']' && bracket;
            depth += bracket ? 0 : format[i] switch { '{' => 1, '}' => -1, _ => 0 };
            if (depth == 0)
            {
                return i;
            }
        }

        throw JinjaError.Of("a format has '{' without '}'");
    }

    private string Field(string field, int depth)
    {
        bool bracket = false;
        int end = 0;
        while (end < field.Length && (bracket || field[end] is not ('!' or ':')))
        {
            bracket = field[end] == '[' ? true : field[end] != ']' && bracket;
            end++;
        }

        object? value = Find(field[..end]);
        if (end < field.Length && field[end] == '!')
        {
            char conversion = end + 1 < field.Length ? field[end + 1] : '\0';
            value = conversion switch
            {
                's' => JinjaText.Str(value),
                'r' => JinjaText.Repr(value),
                'a' when JinjaText.Repr(value) is var ascii && Ascii.IsValid(ascii) => ascii,
                _ => throw JinjaError.Of($"a format has the conversion '!{conversion}'"),
            };
            end += 2;
            if (end < field.Length && field[end] != ':')
            {
                throw JinjaError.Of("a format has more after its conversion");
            }
        }

        string spec = end < field.Length ? Format(field[(end + 1)..], depth - 1) : "";
        return spec.Length == 0 ? JinjaText.Str(value)
            : value is JinjaUndefined ? throw JinjaError.Of("a format is used for an undefined value")
            : JinjaFormatSpec.Parse(spec).Format(value);
    }

    private object? Find(string path)
    {
        int end = path.IndexOfAny(['.', '[']);
        string first = end < 0 ? path : path[..end];
        object? value;
        if (first.Length == 0 || first.All(char.IsAsciiDigit))
        {
            if (_next > 0 || _numbered)
            {
                if (_numbered != (first.Length > 0))
                {
                    throw JinjaError.Of("a format mixes {} and {0}");
                }
            }

            _numbered = first.Length > 0;
            int index = _numbered ? JinjaFormatSpec.ParseNumber(first) : _next++;
            value = index < arguments.Positional.Count ? arguments.Positional[index]
                : throw JinjaError.Of("a format has more places than values");
        }
        else if (!arguments.Named.TryGetValue(first, out value))
        {
            throw JinjaError.Of($"a format names '{first}', which is not given");
        }

        for (int at = end < 0 ? path.Length : end; at < path.Length;)
        {
            bool isItem = path[at] == '[';
            int stop = isItem ? path.IndexOf(']', at) : path.AsSpan(at + 1).IndexOfAny('.', '[') is >= 0 and var next
                ? at + 1 + next : path.Length;
            if (stop <= at + 1 || (!isItem && path[at] != '.'))
            {
                throw JinjaError.Of($"a format has the place '{path}'");
            }

            string name = path[(at + 1)..stop];
            value = !isItem ? JinjaMembers.Attribute(value, name, run)
                : JinjaMembers.Item(value, long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                    ? number : name, run);
            at = isItem ? stop + 1 : stop;
        }

        return value;
    }
}
