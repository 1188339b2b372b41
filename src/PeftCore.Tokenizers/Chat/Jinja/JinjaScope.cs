namespace PeftCore.Tokenizers;

/// <summary>The variables that a template is given, and those that it sets at its top level.</summary>
internal sealed class JinjaScope(JinjaScope? parent)
{
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    /// <summary>The value of a name; <see cref="JinjaMissing"/> if it has none.</summary>
    public object? this[string name]
    {
        get => _values.TryGetValue(name, out object? value) ? value : parent is null ? JinjaMissing.Value : parent[name];
        set => _values[name] = value;
    }
}
