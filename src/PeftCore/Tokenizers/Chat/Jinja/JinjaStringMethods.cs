using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>The methods that strings have in Python.</summary>
internal static class JinjaStringMethods
{
    public static JinjaFunction? Find(string text, string name)
    {
        Func<JinjaArguments, JinjaRun, object?>? body = name switch
        {
            "strip" => (args, _) => Strip(text, args.Get(0, "chars", null), left: true, right: true),
            "lstrip" => (args, _) => Strip(text, args.Get(0, "chars", null), left: true, right: false),
            "rstrip" => (args, _) => Strip(text, args.Get(0, "chars", null), left: false, right: true),
            "upper" => (_, _) => text.ToUpperInvariant(),
            "lower" => (_, _) => text.ToLowerInvariant(),
            "capitalize" => (_, _) => Capitalize(text),
            "title" => (_, _) => Title(text),
            "startswith" => (args, _) => Any(args[0, "prefix"], p => text.StartsWith(p, StringComparison.Ordinal)),
            "endswith" => (args, _) => Any(args[0, "suffix"], s => text.EndsWith(s, StringComparison.Ordinal)),
            "removeprefix" => (args, _) => args.Text(0, "prefix") is var p && text.StartsWith(p, StringComparison.Ordinal) ? text[p.Length..] : text,
            "removesuffix" => (args, _) => args.Text(0, "suffix") is var s && text.EndsWith(s, StringComparison.Ordinal) ? text[..^s.Length] : text,
            "split" => (args, run) => Split(text, args, run, fromRight: false),
            "rsplit" => (args, run) => Split(text, args, run, fromRight: true),
            "splitlines" => (args, run) => Lines(text, args, run),
            "replace" => (args, run) => Replace(text, args.Text(0, "old"), args.Text(1, "new"), args.Integer(2, "count", -1), run),
            "find" => (args, _) => (long)text.IndexOf(args.Text(0, "sub"), StringComparison.Ordinal),
            "index" => (args, _) => text.IndexOf(args.Text(0, "sub"), StringComparison.Ordinal) is >= 0 and var at
                ? (long)at
                : throw JinjaError.Of($"{JinjaOperators.Describe(args[0, "sub"])} is not in the string"),
            "partition" => (args, _) => Partition(text, args.Text(0, "sep")),
            "rfind" => (args, _) => (long)text.LastIndexOf(args.Text(0, "sub"), StringComparison.Ordinal),
            "count" => (args, _) => args.Text(0, "sub") is { Length: > 0 } sub ? Count(text, sub) : CodePoints.Count(text) + 1L,
            "join" => (args, run) => Join(text, args[0, "items"], run),
            "format" => (args, run) => JinjaFormat.Braces(text, args, run),
            "zfill" => (args, run) => Pad(text, args.Integer(0, "width", 0), run),
            "isdigit" => (_, _) => text.Length > 0 && text.All(char.IsDigit),
            "isalpha" => (_, _) => text.Length > 0 && text.All(char.IsLetter),
            "isalnum" => (_, _) => text.Length > 0 && text.All(char.IsLetterOrDigit),
            "isspace" => (_, _) => text.Length > 0 && text.All(char.IsWhiteSpace),
            "isupper" => (_, _) => text.Any(char.IsLetter) && text == text.ToUpperInvariant(),
            "islower" => (_, _) => text.Any(char.IsLetter) && text == text.ToLowerInvariant(),
            _ => null,
        };
        return body is null ? null : new JinjaFunction(name, body);
    }

    public static string Strip(string text, object? chars, bool left, bool right)
    {
        if (chars is not (null or string))
        {
            throw JinjaError.Of($"strip takes a string of characters, not {JinjaOperators.Describe(chars)}");
        }

        var set = (chars as string)?.ToCharArray();
        text = !left ? text : set is null ? text.TrimStart() : set.Length == 0 ? text : text.TrimStart(set);
        return !right ? text : set is null ? text.TrimEnd() : set.Length == 0 ? text : text.TrimEnd(set);
    }

    public static string Capitalize(string text) =>
        text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    public static string Title(string text) => string.Create(text.Length, text, (span, source) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = i > 0 && char.IsLetter(source[i - 1]) ? char.ToLowerInvariant(source[i]) : char.ToUpperInvariant(source[i]);
        }
    });

    public static string Replace(string text, string old, string fresh, long count, JinjaRun run)
    {
        if (count == 0)
        {
            return text;
        }

        if (old.Length == 0)
        {
            throw JinjaError.Of("replace looks for an empty string");
        }

        var found = Count(text, old);
        found = count < 0 ? found : Math.Min(found, count);
        run.Spend(text.Length + found * Math.Max(0L, fresh.Length - old.Length));
        if (count < 0)
        {
            return text.Replace(old, fresh, StringComparison.Ordinal);
        }

        var parts = text.Split(old, (int)Math.Min(count + 1, int.MaxValue));
        return string.Join(fresh, parts);
    }

    public static string Join(string separator, object? items, JinjaRun run)
    {
        var texts = JinjaMembers.Iterate(items, run).Select(i => i as string ?? run.Made(JinjaText.Str(i))).ToList();
        run.Spend(texts.Sum(t => (long)t.Length) + (long)separator.Length * Math.Max(0, texts.Count - 1));
        return string.Join(separator, texts);
    }

    private static long Count(string text, string part)
    {
        var count = 0L;
        for (var at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }

    private static bool Any(object? choices, Func<string, bool> test) => choices switch
    {
        string text => test(text),
        List<object?> list => list.OfType<string>().Any(test),
        _ => throw JinjaError.Of($"startswith and endswith take a string, not {JinjaOperators.Describe(choices)}"),
    };

    private static List<object?> Split(string text, JinjaArguments args, JinjaRun run, bool fromRight)
    {
        run.Spend(text.Length);
        var limit = args.Integer(1, "maxsplit", -1);
        var separator = args.Get(0, "sep", null);
        if (separator is null)
        {
            return SplitBlanks(text, limit, fromRight);
        }

        if (separator is not string { Length: > 0 } sep)
        {
            throw JinjaError.Of($"split takes a separator of at least one character, not {JinjaOperators.Describe(separator)}");
        }

        var parts = text.Split(sep);
        if (limit < 0 || parts.Length - 1 <= limit)
        {
            return [.. parts];
        }

        var kept = (int)limit;
        return fromRight
            ? [string.Join(sep, parts[..^kept]), .. parts[^kept..]]
            : [.. parts[..kept], string.Join(sep, parts[kept..])];
    }

    private static JinjaTuple Partition(string text, string separator) =>
        separator.Length > 0 && text.IndexOf(separator, StringComparison.Ordinal) is >= 0 and var at
            ? [text[..at], separator, text[(at + separator.Length)..]]
            : [text, "", ""];

    private static List<object?> SplitBlanks(string text, long limit, bool fromRight)
    {
        var result = new List<object?>();
        var rest = fromRight ? text.TrimEnd() : text.TrimStart();
        while (rest.Length > 0 && (limit < 0 || result.Count < limit))
        {
            var at = fromRight ? rest.AsSpan().LastIndexOfAny(" \t\n\r\f\v") : rest.AsSpan().IndexOfAny(" \t\n\r\f\v");
            if (at < 0)
            {
                break;
            }

            result.Add(fromRight ? rest[(at + 1)..] : rest[..at]);
            rest = fromRight ? rest[..at].TrimEnd() : rest[at..].TrimStart();
        }

        // What is left after the last allowed split keeps its far end.
        rest = limit >= 0 && result.Count >= limit ? rest : rest.Trim();
        if (rest.Length > 0)
        {
            result.Add(rest);
        }

        if (fromRight)
        {
            result.Reverse();
        }

        return result;
    }

    private static List<object?> Lines(string text, JinjaArguments args, JinjaRun run)
    {
        run.Spend(text.Length);
        var keep = JinjaOperators.IsTrue(args.Get(0, "keepends", false));
        var result = new List<object?>();
        for (var start = 0; start < text.Length;)
        {
            var end = text.AsSpan(start).IndexOfAny('\n', '\r');
            end = end < 0 ? text.Length : start + end;
            var next = end >= text.Length ? end : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            result.Add(text[start..(keep ? next : end)]);
            start = next;
        }

        return result;
    }

    private static string Pad(string text, long width, JinjaRun run)
    {
        run.Spend(Math.Max(0, width));
        var sign = text.StartsWith('-') || text.StartsWith('+') ? 1 : 0;
        return width <= text.Length ? text
            : string.Concat(text.AsSpan(0, sign), new string('0', (int)width - text.Length).ToString(CultureInfo.InvariantCulture), text.AsSpan(sign));
    }
}
