using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>The functions that every chat template can call.</summary>
internal static class JinjaGlobals
{
    public static void AddTo(JinjaScope scope)
    {
        foreach (var function in new JinjaFunction[]
        {
            new("raise_exception", (args, _) => throw JinjaError.Of(JinjaText.Str(args[0, "message"]))),
            new("strftime_now", (args, run) => FormatTime(args.Text(0, "format"), run.Clock.GetLocalNow())),
            new("range", (args, run) => Range(args, run)),
            new("namespace", (args, _) => MakeNamespace(args)),
            new("dict", (args, _) => MakeDict(args)),
        })
        {
            scope[function.Name] = function;
        }
    }

    /// <summary>Python's strftime in English.</summary>
    internal static string FormatTime(string format, DateTimeOffset time)
    {
        var text = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            var bare = format[i + 1] == '-' && i + 2 < format.Length;
            var code = format[i += bare ? 2 : 1];
            var part = Part(code, time);
            text.Append(bare && part.Length > 1 && part.All(char.IsAsciiDigit) ? part.TrimStart('0').PadLeft(1, '0') : part);
        }

        return text.ToString();
    }

    private static string Part(char code, DateTimeOffset time)
    {
        string Net(string pattern) => time.ToString(pattern, CultureInfo.InvariantCulture);
        return code switch
        {
            'a' => Net("ddd"),
            'A' => Net("dddd"),
            'b' or 'h' => Net("MMM"),
            'B' => Net("MMMM"),
            'c' => $"{Net("ddd MMM")} {time.Day,2} {Net("HH:mm:ss yyyy")}",
            'd' => Net("dd"),
            'D' or 'x' => Net("MM'/'dd'/'yy"),
            'e' => $"{time.Day,2}",
            'F' => Net("yyyy-MM-dd"),
            'H' => Net("HH"),
            'I' => Net("hh"),
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'm' => Net("MM"),
            'M' => Net("mm"),
            'p' => Net("tt"),
            'S' => Net("ss"),
            'T' or 'X' => Net("HH:mm:ss"),
            'u' => (time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'y' => Net("yy"),
            'Y' => Net("yyyy"),
            'f' => Net("ffffff"),
            'n' => "\n",
            't' => "\t",
            '%' => "%",
            _ => throw JinjaError.Of($"strftime_now does not know %{code}"),
        };
    }

    private static List<object?> Range(JinjaArguments args, JinjaRun run)
    {
        var first = args.Integer(0, "start", 0);
        var (start, stop) = args.Positional.Count < 2 ? (0, first) : (first, args.Integer(1, "stop", 0));
        var step = args.Integer(2, "step", 1);
        if (step == 0)
        {
            throw JinjaError.Of("range has a step of zero");
        }

        var count = Math.Max(0, Math.Ceiling(((double)stop - start) / step));
        run.Spend((long)Math.Min(count, long.MaxValue / 2));
        var result = new List<object?>();
        for (var i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            result.Add(i);
        }

        return result;
    }

    private static JinjaNamespace MakeNamespace(JinjaArguments args)
    {
        var space = new JinjaNamespace();
        foreach (var (key, value) in MakeDict(args).Items)
        {
            space.Members[JinjaText.Str(key)] = value;
        }

        return space;
    }

    private static JinjaDict MakeDict(JinjaArguments args)
    {
        var dict = new JinjaDict();
        foreach (var (key, value) in args.Positional.OfType<JinjaDict>().SelectMany(d => d.Items))
        {
            dict[key] = value;
        }

        foreach (var (key, value) in args.Named)
        {
            dict[key] = value;
        }

        return dict;
    }
}
