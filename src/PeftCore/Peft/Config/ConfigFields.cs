using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>The fields of a method's configuration, one row each. Reading and writing adapter_config.json, the bounds, --method-options,
/// the help and the tables of docs/methods come from these rows. Rows are read in the order in which they are added.</summary>
/// <typeparam name="T">The configuration, an immutable record.</typeparam>
/// <param name="defaults">The configuration whose values are the defaults.</param>
public sealed class ConfigFields<T>(T defaults)
    where T : class
{
    private readonly List<FieldRow<T>> _rows = [];
    private readonly List<Func<T, ConfigReader, T>> _steps = [];

    /// <summary>All fields that a file can have.</summary>
    internal IReadOnlyList<ConfigField> All =>
        [.. _rows.Where(row => row.Write is not null).SelectMany(row => row.Parts.Prepend(row.Describe(defaults)))];

    /// <summary>Adds an integer.</summary>
    public ConfigFields<T> Int(string name, Func<T, int> get, Func<T, int, T> set, string help, int min = int.MinValue,
        int max = int.MaxValue, bool required = false) => Add(new FieldRow<T>(name, FieldText.Range("integer", min, max), help,
            (config, reader) => required || reader.Has(name) ? set(config, reader.Int(name, null, min, max)) : config,
            config => get(config))
        {
            IsRequired = required, Min = FieldText.Bound(min), Max = FieldText.Bound(max),
            Problem = config => FieldText.OutOfRange(name, get(config), min, max),
        });

    /// <summary>Adds an integer that may be null.</summary>
    internal ConfigFields<T> IntOrNull(string name, Func<T, int?> get, Func<T, int?, T> set, string help, int min = int.MinValue,
        int max = int.MaxValue) => Add(new FieldRow<T>(name, FieldText.Range("integer", min, max) + " or null", help,
            (config, reader) => set(config, reader.IntOrNull(name, min, max)), config => get(config))
        {
            Min = FieldText.Bound(min), Max = FieldText.Bound(max),
            Problem = config => get(config) is { } value ? FieldText.OutOfRange(name, value, min, max) : null,
        });

    /// <summary>Adds a number, which is written with a decimal point.</summary>
    public ConfigFields<T> Float(string name, Func<T, double> get, Func<T, double, T> set, string help, double min = double.MinValue,
        double max = double.MaxValue) => this.Number(name, get, set, help, min, max, PeftConfig.Float);

    /// <summary>Adds a boolean.</summary>
    public ConfigFields<T> Bool(string name, Func<T, bool> get, Func<T, bool, T> set, string help) => Add(new FieldRow<T>(name,
        "true or false", help, (config, reader) => reader.Has(name) ? set(config, reader.Bool(name)) : config, config => get(config)));

    /// <summary>Adds a string that may be null.</summary>
    public ConfigFields<T> Text(string name, Func<T, string?> get, Func<T, string?, T> set, string help) => Add(new FieldRow<T>(name,
        "text or null", help, (config, reader) => set(config, reader.StringOrNull(name)), config => get(config)));

    /// <summary>Adds a field with a fixed set of names; the names "true" and "false" are JSON booleans. A value with two names is written
    /// with the first.</summary>
    public ConfigFields<T> Choice<TValue>(string name, Func<T, TValue> get, Func<T, TValue, T> set, string help,
        params IReadOnlyList<(string Name, TValue Value)> choices)
    {
        var names = new FieldChoices<TValue>(name, choices);
        return Add(new FieldRow<T>(name, names.Expected, help,
            (config, reader) => names.Read(reader) is { } found ? set(config, names[found]) : config,
            config => names.ToJson(get(config)))
        {
            Choices = names.All,
        });
    }

    /// <summary>Adds a field of any other kind.</summary>
    internal ConfigFields<T> Add(FieldRow<T> row)
    {
        _rows.Add(row);
        return Then(row.Read);
    }

    /// <summary>Adds a step that runs after the rows so far are read, such as a check.</summary>
    internal ConfigFields<T> Then(Func<T, ConfigReader, T> step)
    {
        _steps.Add(step);
        return this;
    }

    /// <summary>Reads a configuration; absent fields have their defaults.</summary>
    /// <exception cref="BadInputException">A value has the wrong type or is outside its bounds.</exception>
    internal T Read(ConfigReader reader) => Read(reader, defaults);

    /// <summary>Reads a configuration; absent fields have the values of <paramref name="start"/>.</summary>
    internal T Read(ConfigReader reader, T start) => _steps.Aggregate(start, (config, step) => step(config, reader));

    /// <summary>The field values of a configuration.</summary>
    internal ConfigValues Of(T config) => new(
        [.. _rows.Where(row => row.Write is not null).Select(row => KeyValuePair.Create(row.Name, () => row.Write!(config)))],
        _rows.Select(row => row.Problem(config)).FirstOrDefault(problem => problem is not null));
}
