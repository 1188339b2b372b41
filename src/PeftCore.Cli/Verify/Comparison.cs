namespace PeftCore.Cli.Verify;

/// <summary>One quantity, recomputed and compared with its reference.</summary>
/// <param name="Name">The fixture's directory and the quantity's name.</param>
/// <param name="Error">max|ours − reference| / max|reference|.</param>
/// <param name="Tolerance">The largest error that passes.</param>
/// <param name="Note">The number of omitted elements, the sensitivity, or the reason why nothing could be compared.</param>
internal sealed record Comparison(string Name, double Error, double Tolerance, string? Note = null)
{
    public bool Passed => Error <= Tolerance;

    /// <summary>Whether the error exceeds the tolerance, but not what rounding of the parameters alone explains;
    /// <see cref="UlpSensitivity"/> measures that.</summary>
    public bool Undetermined { get; init; }

    public bool Failed => !Passed && !Undetermined;

    public static Comparison Unsupported(string name, string why) => new(name, double.PositiveInfinity, 0, why);

    public static Comparison Equal(string name, bool equal, string? note = null) => new(name, equal ? 0 : 1, 0, note);

    public override string ToString()
    {
        string error = double.IsInfinity(Error) ? "-" : Error.ToString("0.0e+00", System.Globalization.CultureInfo.InvariantCulture);
        string tolerance = Tolerance.ToString("0.0e+00", System.Globalization.CultureInfo.InvariantCulture);
        return $"{Name}  {error}  {tolerance}  " +
            $"{(Passed ? "ok" : Undetermined ? "UNDETERMINED" : "FAIL")}{(Note is null ? "" : "  " + Note)}";
    }
}
