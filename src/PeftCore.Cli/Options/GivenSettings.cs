namespace PeftCore.Cli.Options;

/// <summary>The settings somebody wrote, by their names with dashes. Not part of any comparison of options: they are equal if their values
/// are.</summary>
internal sealed class GivenSettings : IEquatable<GivenSettings>
{
    private readonly Dictionary<string, (string Place, bool IsFlag, bool Differs)> _all = new(StringComparer.Ordinal);

    /// <summary>Where a setting was written last, such as "--lora-r" or "run.yaml, line 3: lora_r"; null if nowhere.</summary>
    public string? PlaceOf(string name) => _all.TryGetValue(name, out var given) ? given.Place : null;

    /// <summary>Whether a setting was written on purpose: as a flag, or in a file with another value than the default. A file of all
    /// settings is not meant so.</summary>
    public bool IsMeant(string name) => _all.TryGetValue(name, out var given) && (given.IsFlag || given.Differs);

    /// <summary>Notes a setting; flags come last and win.</summary>
    public void Add(string name, string place, bool isFlag, bool differs) => _all[name] = (place, isFlag, differs);

    public bool Equals(GivenSettings? other) => other is not null;

    public override bool Equals(object? obj) => Equals(obj as GivenSettings);

    public override int GetHashCode() => 0;
}
