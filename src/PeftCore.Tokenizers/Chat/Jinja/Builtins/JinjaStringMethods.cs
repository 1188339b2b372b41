namespace PeftCore.Tokenizers;

/// <summary>The methods that strings have in Python.</summary>
internal static class JinjaStringMethods
{
    private static readonly string[] NotHere = ["encode", "maketrans", "translate"];

    // These give text that is marked as safe for text that is, and escape what they are given.
    private static readonly string[] KeepMarkup =
    [
        "capitalize", "title", "lower", "upper", "replace", "ljust", "rjust", "lstrip", "rstrip", "center", "strip", "expandtabs",
            "swapcase", "zfill",
        "casefold", "removeprefix", "removesuffix", "split", "rsplit", "splitlines", "partition", "rpartition", "join",
    ];

    private static readonly Dictionary<string, JinjaBuiltin> All = JinjaMethods.Table(
        Make("capitalize", "", (text, _, _) => JinjaCase.Capitalize(text)),
        Make("casefold", "", (text, _, _) => System.Text.Ascii.IsValid(text)
            ? text.ToLowerInvariant() : throw JinjaError.Of("it folds the case of letters that are not ASCII")),
        Make("center", "_width _fillchar=", (text, given, run) => Pad(text, given, 0.5, run)),
        Make("count", "_sub _start= _end=", Count),
        Make("endswith", "_suffix _start= _end=", (text, given, _) => Any(text, given, (part, suffix) =>
            part.EndsWith(suffix, StringComparison.Ordinal))),
        Make("expandtabs", "tabsize=", ExpandTabs),
        Make("find", "_sub _start= _end=", (text, given, _) => JinjaStringSearch.Find(text, given, fromRight: false) ?? -1L),
        Make("index", "_sub _start= _end=", (text, given, _) => JinjaStringSearch.Find(text, given,
            fromRight: false) ?? throw NotFound(given)),
        Make("ljust", "_width _fillchar=", (text, given, run) => Pad(text, given, 0, run)),
        Make("lower", "", (text, _, _) => JinjaCase.ToLower(text)),
        Make("lstrip", "_chars=", (text, given, _) => JinjaStrings.Strip(text, given.Get(0, null), left: true, right: false)),
        Make("join", "_items", (text, given, run) => Join(text, given[0], run)),
        Make("partition", "_sep", (text, given, _) => JinjaStringSearch.Partition(text, given, fromRight: false)),
        Make("removeprefix", "_prefix", (text, given, _) =>
            given.Text(0) is var p && text.StartsWith(p, StringComparison.Ordinal) ? text[p.Length..] : text),
        Make("removesuffix", "_suffix", (text, given, _) =>
            given.Text(0) is { Length: > 0 } s && text.EndsWith(s, StringComparison.Ordinal) ? text[..^s.Length] : text),
        Make("replace", "_old _new _count=", (text, given, run) =>
            JinjaStrings.Replace(text, given.Text(0), given.Text(1), given.Integer(2, -1), run)),
        Make("rfind", "_sub _start= _end=", (text, given, _) => JinjaStringSearch.Find(text, given, fromRight: true) ?? -1L),
        Make("rindex", "_sub _start= _end=", (text, given, _) =>
            JinjaStringSearch.Find(text, given, fromRight: true) ?? throw NotFound(given)),
        Make("rjust", "_width _fillchar=", (text, given, run) => Pad(text, given, 1, run)),
        Make("rpartition", "_sep", (text, given, _) => JinjaStringSearch.Partition(text, given, fromRight: true)),
        Make("rsplit", "sep= maxsplit=", (text, given, run) => JinjaStringSearch.Split(text, given, fromRight: true, run)),
        Make("rstrip", "_chars=", (text, given, _) => JinjaStrings.Strip(text, given.Get(0, null), left: false, right: true)),
        Make("split", "sep= maxsplit=", (text, given, run) => JinjaStringSearch.Split(text, given, fromRight: false, run)),
        Make("splitlines", "keepends=", (text, given, _) => JinjaStrings.Lines(text, given.Flag(0)).ToList<object?>()),
        Make("startswith", "_prefix _start= _end=", (text, given, _) => Any(text, given, (part, prefix) =>
            part.StartsWith(prefix, StringComparison.Ordinal))),
        Make("strip", "_chars=", (text, given, _) => JinjaStrings.Strip(text, given.Get(0, null), left: true, right: true)),
        Make("swapcase", "", (text, _, _) => JinjaCase.SwapCase(text)),
        Make("title", "", (text, _, _) => JinjaCase.ToTitle(text)),
        Make("upper", "", (text, _, _) => JinjaCase.ToUpper(text)),
        Make("zfill", "_width", (text, given, run) => FillZeros(text, given.Integer(0), run)),
        Make("isalnum", "", (text, _, _) => JinjaStringKinds.Is("isalnum", text)),
        Make("isalpha", "", (text, _, _) => JinjaStringKinds.Is("isalpha", text)),
        Make("isascii", "", (text, _, _) => System.Text.Ascii.IsValid(text)),
        Make("isdecimal", "", (text, _, _) => JinjaStringKinds.Is("isdecimal", text)),
        Make("isdigit", "", (text, _, _) => JinjaStringKinds.Is("isdigit", text)),
        Make("isidentifier", "", (text, _, _) => JinjaStringKinds.IsIdentifier(text)),
        Make("islower", "", (text, _, _) => JinjaStringKinds.IsLower(text)),
        Make("isnumeric", "", (text, _, _) => JinjaStringKinds.Is("isnumeric", text)),
        Make("isprintable", "", (text, _, _) => JinjaText.Repr(text.Replace("\\", "", StringComparison.Ordinal)) is var shown
            && !shown.Contains('\\', StringComparison.Ordinal)),
        Make("isspace", "", (text, _, _) => JinjaStringKinds.Is("isspace", text)),
        Make("istitle", "", (text, _, _) => JinjaStringKinds.IsTitle(text)),
        Make("isupper", "", (text, _, _) => JinjaStringKinds.IsUpper(text)));

    public static IEnumerable<string> Names => All.Keys.Concat(["format", "format_map"]);

    public static object? Find(object target, string name)
    {
        if (name is "format" or "format_map")
        {
            return target is JinjaMarkup ? throw JinjaError.Of("it uses the method format of text that is marked as safe")
                : new JinjaFunction(name, null, (arguments, run) =>
                    JinjaBraces.Format((string)target, name == "format" ? arguments : Mapped(arguments), run));
        }

        return !All.TryGetValue(name, out var method)
            ? NotHere.Contains(name) ? throw JinjaMethods.Unknown("strings", name) : JinjaMissing.Value
            : target is JinjaMarkup markup && KeepMarkup.Contains(name)
            ? new JinjaFunction(name, null, (arguments, run) => OnMarkup(method, markup, arguments, run))
            : JinjaMethods.Bound(target, method);
    }

    public static string Join(string separator, object? items, JinjaRun run)
    {
        var texts = new List<string>();
        foreach (object? item in JinjaMembers.Iterate(items, run))
        {
            run.Spend(separator.Length);
            texts.Add(JinjaText.IsText(item) ? run.Made(JinjaText.Str(item))
                : throw JinjaError.Of($"join takes strings, not {JinjaText.Describe(item)}"));
        }

        return string.Join(separator, texts);
    }

    private static JinjaBuiltin Make(string name, string parameters, Func<string, JinjaGiven, JinjaRun, object?> body) =>
        new(name, parameters, (target, given, run) => body(JinjaText.Str(target), given, run));

    private static object? OnMarkup(JinjaBuiltin method, JinjaMarkup target, JinjaArguments arguments, JinjaRun run)
    {
        object? Escaped(object? value) => value switch
        {
            string => JinjaHtml.Escape(value),
            _ when method.Name == "join" => JinjaMembers.Iterate(value, run).Select(i => (object?)JinjaHtml.Escape(i)).ToList(),
            _ => value,
        };
        object? Marked(object? value) => value switch
        {
            string text => new JinjaMarkup(text),
            JinjaTuple tuple => new JinjaTuple(tuple.Select(Marked)),
            List<object?> list => list.Select(Marked).ToList(),
            _ => value,
        };
        return Marked(method.Call(target, new JinjaArguments(arguments.Function, [.. arguments.Positional.Select(Escaped)],
            arguments.Named), run));
    }

    private static JinjaArguments Mapped(JinjaArguments arguments) => arguments is { Named.Count: 0, Positional: [JinjaDict dict] }
        ? new JinjaArguments("format_map", [], dict.Items.Where(i => i.Key is string).ToDictionary(i => (string)i.Key!, i =>
            i.Value, StringComparer.Ordinal))
        : throw JinjaError.Of("format_map takes one dictionary");

    private static BadInputException NotFound(JinjaGiven given) => JinjaError.Of($"{JinjaText.Describe(given[0])} is not in the string");

    private static object Count(string text, JinjaGiven given, JinjaRun run)
    {
        string sub = given.Text(0);
        string? part = JinjaStringSearch.Part(text, given, out _);
        return part is null ? 0L : sub.Length > 0 ? JinjaStrings.Count(part, sub) : CodePoints.Count(part) + 1L;
    }

    private static object Any(string text, JinjaGiven given, Func<string, string, bool> test)
    {
        var choices = given[0] is JinjaTuple tuple ? tuple : [given[0]];
        if (!choices.TrueForAll(JinjaText.IsText))
        {
            throw given[0] is JinjaUndefined undefined ? undefined.Raise()
                : JinjaError.Of($"startswith and endswith take a string or a tuple of strings, not {JinjaText.Describe(given[0])}");
        }

        return JinjaStringSearch.Part(text, given, out _) is { } part && choices.Exists(c => test(part, JinjaText.Str(c)));
    }

    private static string Pad(string text, JinjaGiven given, double left, JinjaRun run) =>
        given.Text(1, " ") is { } fill && CodePoints.Count(fill) == 1 && fill.Length == 1
        ? JinjaStrings.Pad(text, given.Integer(0), fill[0], left, run)
        : throw JinjaError.Of("the fill character is not one character");

    private static string FillZeros(string text, long width, JinjaRun run)
    {
        int sign = text.StartsWith('-') || text.StartsWith('+') ? 1 : 0;
        long missing = Math.Max(0, width - CodePoints.Count(text));
        run.Spend(missing);
        return string.Concat(text.AsSpan(0, sign), new string('0', (int)missing), text.AsSpan(sign));
    }

    private static object ExpandTabs(string text, JinjaGiven given, JinjaRun run)
    {
        long size = given.Integer(0, 8);
        var result = new System.Text.StringBuilder();
        long column = 0L;
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == '\t')
            {
                long width = size > 0 ? size - column % size : 0;
                run.Spend(width);
                result.Append(' ', (int)width);
                column += width;
            }
            else
            {
                result.Append(rune);
                column = rune.Value is '\n' or '\r' ? 0 : column + 1;
            }
        }

        return result.ToString();
    }
}
