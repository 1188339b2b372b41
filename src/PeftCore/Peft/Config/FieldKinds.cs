using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Further kinds of fields that several methods share.</summary>
internal static class FieldKinds
{
    extension<T>(ConfigFields<T> fields)
        where T : class
    {
        /// <summary>A number that Hugging Face declares as an integer: it is written without a decimal point if it is whole.</summary>
        public ConfigFields<T> Number(string name, Func<T, double> get, Func<T, double, T> set, string help,
            double min = double.MinValue, double max = double.MaxValue, Func<double, JsonNode>? write = null) =>
            fields.Add(new FieldRow<T>(name, FieldText.Range("number", min, max), help,
                (config, reader) => reader.Has(name) ? set(config, reader.Float(name, null, min, max)) : config,
                config => (write ?? ToJson)(get(config)))
            {
                Min = FieldText.Bound(min), Max = FieldText.Bound(max),
                Problem = config => FieldText.OutOfRange(name, get(config), min, max),
            });

        /// <summary>A number that may be null.</summary>
        public ConfigFields<T> FloatOrNull(string name, Func<T, double?> get, Func<T, double?, T> set, string help) =>
            fields.Add(new FieldRow<T>(name, "number or null", help, (config, reader) => set(config, reader.FloatOrNull(name)),
                config => get(config) is { } value ? PeftConfig.Float(value) : null));

        /// <summary>A number of at least 0 and below 1. A file may hold 1, which Hugging Face accepts, but attaching such an adapter
        /// throws.</summary>
        public ConfigFields<T> Fraction(string name, Func<T, double> get, Func<T, double, T> set, string help) =>
            fields.Add(new FieldRow<T>(name, "number ≥ 0 and < 1", help,
                (config, reader) => reader.Has(name) ? set(config, reader.Float(name, null, 0, 1)) : config,
                config => PeftConfig.Float(get(config)))
            {
                Min = 0, Max = 1,
                Problem = config => get(config) is var value and not (>= 0 and < 1)
                    ? $"{name} is {value}; it must be at least 0 and below 1" : null,
            });

        /// <summary>Modules by names or by a regular expression.</summary>
        public ConfigFields<T> Modules(string name, Func<T, ModuleSelector?> get, Func<T, ModuleSelector?, T> set, string help) =>
            fields.Add(new FieldRow<T>(name, "list of names, regular expression, all-linear or null", help,
                (config, reader) => set(config, ModuleSelector.Read(reader, name)), config => get(config)?.ToJson()));

        /// <summary>A list of strings that may be null.</summary>
        public ConfigFields<T> Texts(string name, Func<T, IReadOnlyList<string>?> get, Func<T, IReadOnlyList<string>?, T> set,
            string help) => fields.Add(new FieldRow<T>(name, "list of texts or null", help,
                (config, reader) => set(config, reader.StringsOrNull(name)), config => ToJson(get(config))));

        /// <summary>A list of integers; an absent one is empty.</summary>
        public ConfigFields<T> Ints(string name, Func<T, IReadOnlyList<int>> get, Func<T, IReadOnlyList<int>, T> set, string help) =>
            fields.Add(new FieldRow<T>(name, "list of integers", help,
                (config, reader) => set(config, reader.IntsOrNull(name) ?? []), config => ToJson(get(config))));

        /// <summary>Integers of at least 1 by patterns for the end of a module's path.</summary>
        public ConfigFields<T> IntPattern(string name, Func<T, IReadOnlyList<KeyValuePair<string, int>>> get,
            Func<T, IReadOnlyList<KeyValuePair<string, int>>, T> set, string help) =>
            fields.Add(new FieldRow<T>(name, "object of integers ≥ 1", help,
                (config, reader) => set(config, ReadObject(reader, name, (o, key) => o.Int(key, min: 1))),
                config => ToJson(get(config), value => value))
            {
                Problem = config => get(config)
                    .Select(pair => FieldText.OutOfRange($"{name} of \"{pair.Key}\"", pair.Value, 1, int.MaxValue))
                    .FirstOrDefault(problem => problem is not null),
            });

        /// <summary>Numbers by patterns for the end of a module's path.</summary>
        public ConfigFields<T> FloatPattern(string name, Func<T, IReadOnlyList<KeyValuePair<string, double>>> get,
            Func<T, IReadOnlyList<KeyValuePair<string, double>>, T> set, string help) =>
            fields.Add(new FieldRow<T>(name, "object of numbers", help,
                (config, reader) => set(config, ReadObject(reader, name, (o, key) => o.Float(key))),
                config => ToJson(get(config), ToJson)));

        /// <summary>A field of Hugging Face's file that supports one value here. Another value is an error if <paramref name="asks"/>
        /// returns true for it; otherwise it is ignored.</summary>
        public ConfigFields<T> Fixed(string name, JsonNode? value, string help, Func<JsonElement, bool> asks, string problem) =>
            fields.Add(new FieldRow<T>(name, $"only {value?.ToJsonString() ?? "null"}", help,
                (config, reader) => reader.Raw(name) is { } given && asks(given) ? throw reader.Error(name, problem) : config,
                _ => value?.DeepClone()));

        /// <summary>A field that is not part of the file format. Reading it is an error if <paramref name="asks"/> returns true for its
        /// value.</summary>
        public ConfigFields<T> Refused(string name, Func<JsonElement, bool> asks, string problem) => fields.Then(
            (config, reader) => reader.Raw(name) is { } given && asks(given) ? throw reader.Error(name, problem) : config);
    }

    extension<T>(ConfigFields<T> fields)
        where T : PeftConfig
    {
        /// <summary>The initialisation. An unknown name is an error only for a new adapter: a trained one does not depend on it.</summary>
        public ConfigFields<T> Start<TValue>(string name, Func<T, TValue> get, Func<T, TValue, T> set, string help,
            params IReadOnlyList<(string Name, TValue Value)> choices)
        {
            var names = new FieldChoices<TValue>(name, choices);
            return fields.Add(new FieldRow<T>(name, names.Expected, help,
                (config, reader) => names.ProblemOf(reader) is { } problem ? config with { StartProblem = problem }
                    : names.Read(reader) is { } found ? set(config, names[found]) : config,
                config => names.ToJson(get(config)))
            {
                Choices = names.All,
            });
        }
    }

    /// <summary>The fields of an object, in the order of the file.</summary>
    public static IReadOnlyList<KeyValuePair<string, TValue>> ReadObject<TValue>(ConfigReader reader, string field,
        Func<ConfigReader, string, TValue> read) =>
        reader.ObjectOrNull(field) is { } pattern ? [.. pattern.Names.Select(name => KeyValuePair.Create(name, read(pattern, name)))] : [];

    public static JsonObject ToJson<TValue>(IEnumerable<KeyValuePair<string, TValue>> pattern, Func<TValue, JsonNode?> write) =>
        new(pattern.Select(pair => KeyValuePair.Create(pair.Key, write(pair.Value))));

    /// <summary>A number as JSON, without a decimal point if it is whole.</summary>
    public static JsonNode ToJson(double value) => value == Math.Floor(value) && Math.Abs(value) < 1L << 53 ? JsonValue.Create((long)value)
        : PeftConfig.Float(value);

    public static JsonNode? ToJson(IReadOnlyList<int>? values) =>
        values is null ? null : new JsonArray([.. values.Select(value => JsonValue.Create(value))]);

    public static JsonNode? ToJson(IReadOnlyList<string>? values) =>
        values is null ? null : new JsonArray([.. values.Select(value => JsonValue.Create(value))]);

    /// <summary>Whether a value turns something on: it is neither false nor null.</summary>
    public static bool IsOn(JsonElement value) => value.ValueKind is not (JsonValueKind.False or JsonValueKind.Null);
}
