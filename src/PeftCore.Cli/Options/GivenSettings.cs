namespace PeftCore.Cli.Options;

/// <summary>The settings that the user gave, by their names with dashes. Comparisons of options ignore this object: options are equal if
/// their values are.</summary>
internal sealed class GivenSettings : IEquatable<GivenSettings>
{
    private readonly Dictionary<string, (string Place, bool IsFlag, bool Differs)> _all = new(StringComparer.Ordinal);

    /// <summary>The source of a setting's value, such as "--lora-r" or "run.yaml, line 3: lora_r"; null if it was not given.</summary>
    public string? PlaceOf(string name) => _all.TryGetValue(name, out var given) ? given.Place : null;

    /// <summary>Whether a setting was given on purpose: as a flag, or in a file with a value other than the default. A file may list all
    /// settings, so a default in it is not on purpose.</summary>
    public bool IsMeant(string name) => _all.TryGetValue(name, out var given) && (given.IsFlag || given.Differs);

    /// <summary>Records a setting; flags are added last and override the file.</summary>
    public void Add(string name, string place, bool isFlag, bool differs) => _all[name] = (place, isFlag, differs);

    public bool Equals(GivenSettings? other) => other is not null;

    public override bool Equals(object? obj) => Equals(obj as GivenSettings);

    public override int GetHashCode() => 0;
}
