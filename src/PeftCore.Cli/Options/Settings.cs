using System.CommandLine;
using System.CommandLine.Parsing;
using System.Reflection;
using System.Text.Json.Nodes;

namespace PeftCore.Cli.Options;

/// <summary>All settings of an options record: flags of a verb, and the same names in a file given with -c. Flags win over the file, the file over defaults.</summary>
internal sealed class Settings<T>
    where T : class, new()
{
    private readonly Setting[] _all = [.. Find()];

    private readonly Option<string?> _file = new("--settings", "-c")
    {
        Description = "a YAML or JSON file with the same names as the flags, which win over it",
        HelpName = "FILE",
    };

    /// <summary>Adds the flags and -c to a verb.</summary>
    public void AddTo(Command command)
    {
        command.Add(_file);
        foreach (Setting setting in _all.Where(setting => setting.Option != GlobalOptions.Device))
            command.Add(setting.Option);
    }

    /// <exception cref="BadInputException">A name is unknown, or a value does not fit.</exception>
    public T Read(ParseResult parse)
    {
        var options = new T();
        if (parse.GetValue(_file) is { } file)
            foreach (SettingsFile.Entry entry in SettingsFile.Read(file))
                Find(entry).Set(options, entry.Value, entry.Place);
        foreach (Setting setting in _all)
            if (parse.GetResult(setting.Option) is OptionResult { Implicit: false } given)
                setting.Set(options, given.Tokens.Count > 0 ? given.Tokens[^1].Value : "true", "--" + setting.Name);
        return options;
    }

    /// <summary>Every setting with its value, as a file that -c reads back.</summary>
    public JsonObject Resolve(T options)
    {
        var all = new JsonObject();
        foreach (Setting setting in _all)
            if (setting.Read(options) is { } text)
                all.Add(setting.FileName, text);
        return all;
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
