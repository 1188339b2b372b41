namespace PeftCore.Cli.Options;

/// <summary>A row of the table of settings that do nothing: whoever wrote one of them believes otherwise and is told.</summary>
/// <param name="Names">The settings, with dashes.</param>
/// <param name="Why">How the sentence "--a and --b have no effect …" goes on for these options; null where they have one.</param>
/// <param name="Wholly">Whether they do nothing at all, rather than less than they say.</param>
internal sealed record NoEffect<T>(string[] Names, Func<T, string?> Why, bool Wholly = true)
    where T : VerbOptions
{
    /// <summary>The sentence for the settings of this row that were written; null if none was, or they have an effect.</summary>
    public string? Sentence(T options)
    {
        string[] places = [.. Names.Select(options.Given.PlaceOf).OfType<string>()];
        return places.Length == 0 || Why(options) is not { } why ? null
            : $"{string.Join(", ", places)} {(places.Length == 1 ? "has" : "have")} no effect {why}.";
    }
}
