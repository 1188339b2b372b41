namespace PeftCore.Cli.Options;

/// <summary>A rule about settings that have no effect under some condition, so that the user is told instead of being misled.</summary>
/// <param name="Names">The settings, with dashes.</param>
/// <param name="Why">The end of the sentence "--a and --b have no effect …" for these options; null if they have an effect.</param>
/// <param name="Wholly">Whether the settings have no effect at all, rather than a part of their usual effect.</param>
internal sealed record NoEffect<T>(string[] Names, Func<T, string?> Why, bool Wholly = true)
    where T : VerbOptions
{
    /// <summary>The sentence for the settings of this rule that were given; null if none was given, or they have an effect.</summary>
    public string? Sentence(T options)
    {
        string[] places = [.. Names.Select(options.Given.PlaceOf).OfType<string>()];
        return places.Length == 0 || Why(options) is not { } why ? null
            : $"{string.Join(", ", places)} {(places.Length == 1 ? "has" : "have")} no effect {why}.";
    }
}
