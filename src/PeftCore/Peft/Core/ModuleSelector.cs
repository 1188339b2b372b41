using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>Selects modules by the rules of Hugging Face PEFT: a list of names matches a module whose path equals one of them or ends in
/// "." and one of them; a single string is a regular expression for the whole path, or "all-linear".</summary>
/// <example>
/// <code>
/// var byName = ModuleSelector.Of("q_proj", "v_proj");
/// var byPattern = ModuleSelector.Matching(@".*layers\.[0-3]\.mlp\..*");
/// var everything = ModuleSelector.Matching(ModuleSelector.AllLinear);
/// </code>
/// </example>
public sealed class ModuleSelector
{
    /// <summary>The string that selects every linear layer except the output head.</summary>
    public const string AllLinear = "all-linear";

    private readonly PathPattern? _regex;

    private ModuleSelector(IReadOnlyList<string>? names, string? pattern, string field = "target modules")
    {
        (Names, Pattern) = (names, pattern);
        if (pattern is not null && pattern != AllLinear)
        {
            _regex = new PathPattern(pattern, field);
        }
    }

    /// <summary>The names; null for a pattern.</summary>
    public IReadOnlyList<string>? Names { get; }

    /// <summary>The regular expression or "all-linear"; null for names.</summary>
    public string? Pattern { get; }

    /// <summary>Whether this is "all-linear".</summary>
    internal bool IsAllLinear => Pattern == AllLinear;

    /// <summary>Selects modules by names.</summary>
    public static ModuleSelector Of(params IReadOnlyList<string> names) => new(names, null);

    /// <summary>Selects modules by a regular expression for the whole path, or by "all-linear".</summary>
    /// <exception cref="BadInputException">The expression is not valid.</exception>
    public static ModuleSelector Matching(string pattern) => new(null, pattern);

    /// <summary>Names from a comma-separated list, or one pattern if the text has characters of regular expressions or is
    /// "all-linear".</summary>
    public static ModuleSelector Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool pattern = text == AllLinear || text.AsSpan().IndexOfAny("*+?()[]{}|^$\\") >= 0;
        return pattern ? Matching(text) : new(text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
            null);
    }

    /// <summary>Whether a module path is selected. "all-linear" must be resolved against a model first.</summary>
    internal bool Matches(string path) => Names is null
        ? _regex is not null && _regex.Matches(path)
        : NameFor(path) is not null;

    /// <summary>This selector for the new names of modules that were renamed: names of old modules are replaced, and a pattern that
    /// matches old paths only becomes the list of the modules.</summary>
    /// <param name="model">The model.</param>
    internal ModuleSelector ForNamesOf(TransformerModel model)
    {
        if (model.Renamed is not { } renamed || IsAllLinear)
        {
            return this;
        }
        var paths = model.NamedModules().Select(module => module.Path).Where(path => path.Length > 0).ToList();
        if (Names is { } names)
        {
            return Of([.. names.SelectMany(name => paths.Exists(path => path == name || path.EndsWith("." + name, StringComparison.Ordinal))
                ? [name] : renamed.EndsOf(name)).Distinct()]);
        }
        var old = paths.Where(path => Matches(renamed.ToOld(path))).ToList();
        return old.Count == 0 || paths.Exists(Matches) ? this : Of(old);
    }

    /// <summary>The name that selects a path; null for a pattern, or if no name does.</summary>
    internal string? NameFor(string path) =>
        Names?.FirstOrDefault(name => path == name || path.EndsWith("." + name, StringComparison.Ordinal));

    internal static ModuleSelector? Read(ConfigReader config, string field)
    {
        if (!config.Has(field))
        {
            return null;
        }
        if (config.Raw(field)!.Value.ValueKind != System.Text.Json.JsonValueKind.String)
        {
            return new(config.Strings(field), null);
        }
        string pattern = config.String(field);
        try
        {
            return new(null, pattern.Equals(AllLinear, StringComparison.OrdinalIgnoreCase) ? AllLinear : pattern, field);
        }
        catch (BadInputException e)
        {
            throw new BadInputException($"{config.Source}: {e.Message}", e);
        }
    }

    internal JsonNode ToJson() =>
        Names is null ? JsonValue.Create(Pattern)! : new JsonArray([.. Names.Select(name => JsonValue.Create(name))]);

    /// <inheritdoc/>
    public override string ToString() => Pattern ?? string.Join(", ", Names!);
}
