using System.CommandLine;
using System.CommandLine.Parsing;
using System.Reflection;
using System.Text.Json.Nodes;

namespace PeftCore.Cli.Options;

/// <summary>All settings of an options record: flags of a verb, and the same names in a file given with -c. Flags win over the file, the
/// file over defaults.</summary>
internal sealed class Settings<T>
    where T : VerbOptions, new()
{
    private readonly Setting[] _all = [.. Find()];
    private readonly NoEffect<T>[] _rules;

    /// <param name="rules">Which settings do nothing when.</param>
    public Settings(params NoEffect<T>[] rules) => _rules = rules;

    private readonly Option<string?> _file = new("--settings", "-c")
    {
        Description = "a YAML or JSON file with the same names as the flags, which win over it",
        HelpName = "FILE",
    };

    /// <summary>Adds the flags and -c to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Add(_file);
        foreach (var setting in _all.Where(setting => setting.Option != GlobalOptions.Device))
        {
            command.Add(setting.Option);
        }
    }

    /// <summary>Reads the file and the flags, and tells of what has no effect.</summary>
    /// <param name="call">The command line, and where to tell.</param>
    /// <exception cref="BadInputException">A name is unknown, a value does not fit, or two values contradict each other.</exception>
    public T Read(Verbs.Invocation call) => Read(call.Parse, call.Terminal.Note);

    /// <exception cref="BadInputException">A name is unknown, a value does not fit, or two values contradict each other.</exception>
    public T Read(ParseResult parse, Action<string>? warn = null)
    {
        T options = new(), defaults = new();
        if (parse.GetValue(_file) is { } file)
        {
            ReadFile(file, options, defaults);
        }
        foreach (var setting in _all)
        {
            if (parse.GetResult(setting.Option) is OptionResult { Implicit: false } given)
            {
                ReadFlag(setting, given, options, warn);
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

    /// <summary>Every setting that has an effect with its value, as a file that -c reads back.</summary>
    public JsonObject Resolve(T options)
    {
        var idle = _rules.Where(rule => rule.Wholly && rule.Why(options) is not null).SelectMany(rule => rule.Names)
            .ToHashSet(StringComparer.Ordinal);
        var all = new JsonObject();
        foreach (var setting in _all.Where(setting => !idle.Contains(setting.Name)))
        {
            if (setting.Read(options) is { } text)
            {
                all.Add(setting.FileName, text);
            }
        }
        return all;
    }

    private void ReadFile(string file, T options, T defaults)
    {
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in SettingsFile.Read(file))
        {
            var setting = Find(entry);
            if (!read.TryAdd(setting.Name, entry.Name))
            {
                throw new BadInputException($"{entry.Place} is the same setting as {read[setting.Name]} above; write it once.");
            }
            setting.Set(options, entry.Value, entry.Place);
            options.Given.Add(setting.Name, entry.Place, isFlag: false, differs: setting.Read(options) != setting.Read(defaults));
        }
    }

    private static void ReadFlag(Setting setting, OptionResult given, T options, Action<string>? warn)
    {
        string flag = "--" + setting.Name;
        string[] values = [.. given.Tokens.Select(token => token.Value)];
        setting.Set(options, values.Length > 0 ? values[^1] : "true", flag);
        options.Given.Add(setting.Name, flag, isFlag: true, differs: true);
        if (values.Distinct(StringComparer.Ordinal).Count() > 1)
        {
            warn?.Invoke($"{flag} is given {values.Length} times, as {string.Join(" and ", values.Distinct(StringComparer.Ordinal))}; " +
                "the last counts.");
        }
    }

    private Setting Find(SettingsFile.Entry entry)
    {
        string name = entry.Name.Replace('_', '-');
        return _all.FirstOrDefault(setting => setting.IsCalled(name)) ?? throw new BadInputException(
            $"{entry.Place} is not a setting{Spelling.DidYouMean(entry.Name.Replace('-', '_'), _all.Select(setting => setting.FileName))}.");
    }

    private static IEnumerable<Setting> Find()
    {
        var defaults = new T();
        return from property in typeof(T).GetProperties()
               let about = property.GetCustomAttribute<SettingAttribute>()
               where about is not null
               // The model first, then what is the verb's own, then what others take as well.
               orderby property.Name == nameof(SequenceOptions.Model) ? 0 : property.DeclaringType == typeof(T) ? 1 : 2
               select new Setting(property, about, property.GetValue(defaults));
    }
}
