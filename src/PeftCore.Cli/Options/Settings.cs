using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;

namespace PeftCore.Cli.Options;

/// <summary>All settings of an options record: flags of a verb, and the same names in a file given with -c. Flags override the file, the
/// file overrides defaults.</summary>
internal sealed class Settings<T>
    where T : VerbOptions, ISettings<T>
{
    private readonly (Setting<T> Row, Option Option)[] _all = [.. T.Rows.All.Select(row => (row, OptionOf(row)))];
    private readonly NoEffect<T>[] _rules;

    /// <param name="rules">The rules about settings without effect.</param>
    public Settings(params NoEffect<T>[] rules) => _rules = rules;

    private readonly Option<string?> _file = new("--settings", "-c")
    {
        Description = "a YAML or JSON file with the same names as the flags, which win over it",
        HelpName = "FILE",
    };

    /// <summary>Adds the options and -c to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (var (row, option) in _all.Where(setting => setting.Option != GlobalOptions.Device))
        {
            Add(command, option, row.Group);
        }
        Add(command, _file, HelpGroups.Everywhere);
    }

    private static void Add(Command command, Option option, string group)
    {
        if (command is Verbs.Verb verb)
        {
            verb.Add(option, group);
        }
        else
        {
            command.Add(option);
        }
    }

    /// <summary>Reads the file and the flags, and warns of settings without effect.</summary>
    /// <param name="call">The command line and the terminal.</param>
    /// <exception cref="BadInputException">A name is unknown, a value is invalid, or two values contradict each other.</exception>
    public T Read(Verbs.Invocation call) => Read(call.Parse, call.Terminal.Note);

    /// <exception cref="BadInputException">A name is unknown, a value is invalid, or two values contradict each other.</exception>
    public T Read(ParseResult parse, Action<string>? warn = null)
    {
        var options = T.Rows.NewOptions();
        if (parse.GetValue(_file) is { } file)
        {
            options = ReadFile(file, options);
        }
        foreach (var (setting, option) in _all)
        {
            if (parse.GetResult(option) is OptionResult { Implicit: false } given)
            {
                options = ReadFlag(setting, given, options, warn);
            }
        }
        foreach (var rule in _rules)
        {
            if (rule.Sentence(options) is { } sentence)
            {
                warn?.Invoke(sentence);
            }
        }
        return options;
    }

    /// <summary>All settings that have an effect, with their values, as the content of a file that -c can read.</summary>
    public JsonObject Resolve(T options)
    {
        var idle = _rules.Where(rule => rule.Wholly && rule.Why(options) is not null).SelectMany(rule => rule.Names)
            .ToHashSet(StringComparer.Ordinal);
        var all = new JsonObject();
        foreach (var setting in T.Rows.All.Where(setting => !idle.Contains(setting.Name)))
        {
            if (setting.Read(options) is { } text)
            {
                all.Add(setting.FileName, text);
            }
        }
        return all;
    }

    private static T ReadFile(string file, T options)
    {
        var defaults = T.Rows.NewOptions();
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in SettingsFile.Read(file))
        {
            var setting = Find(entry);
            if (!read.TryAdd(setting.Name, entry.Name))
            {
                throw new BadInputException($"{entry.Place} is the same setting as {read[setting.Name]} above; write it once.");
            }
            options = setting.Set(options, entry.Value, entry.Place);
            options.Given.Add(setting.Name, entry.Place, isFlag: false, differs: setting.Read(options) != setting.Read(defaults));
        }
        return options;
    }

    private static T ReadFlag(Setting<T> setting, OptionResult given, T options, Action<string>? warn)
    {
        string flag = "--" + setting.Name;
        string[] values = [.. given.Tokens.Select(token => token.Value)];
        options = setting.Set(options, values.Length == 0 ? "true" : setting.Joins ? string.Join(',', values) : values[^1], flag);
        options.Given.Add(setting.Name, flag, isFlag: true, differs: true);
        if (!setting.Joins && values.Distinct(StringComparer.Ordinal).Count() > 1)
        {
            warn?.Invoke($"{flag} is given {values.Length} times, as {string.Join(" and ", values.Distinct(StringComparer.Ordinal))}; " +
                "the last counts.");
        }
        return options;
    }

    private static Setting<T> Find(SettingsFile.Entry entry)
    {
        string name = entry.Name.Replace('_', '-');
        return T.Rows.All.FirstOrDefault(setting => setting.IsCalled(name)) ?? throw new BadInputException(
            $"{entry.Place} is not a setting" +
            $"{Spelling.DidYouMean(entry.Name.Replace('-', '_'), T.Rows.All.Select(setting => setting.FileName))}.");
    }

    private static Option OptionOf(Setting<T> row) =>
        row.Name == GlobalOptions.Device.Name[2..] ? GlobalOptions.Device : row.Declare(T.Rows.NewOptions());
}
