namespace PeftCore.Cli.Verify;

/// <summary>One quantity that was recomputed and compared with its reference.</summary>
/// <param name="Name">The fixture's directory and the quantity.</param>
/// <param name="Error">max|ours − reference| over max|reference|.</param>
/// <param name="Tolerance">The largest error that passes.</param>
/// <param name="Note">What was left out, or why nothing could be compared.</param>
internal sealed record Comparison(string Name, double Error, double Tolerance, string? Note = null)
{
    public bool Passed => Error <= Tolerance;

    /// <summary>Whether rounding alone moves the quantity about as far as it is off.</summary>
    public bool Undetermined { get; init; }

    public static Comparison Unsupported(string name, string why) => new(name, double.PositiveInfinity, 0, why);

    public static Comparison Equal(string name, bool equal, string? note = null) => new(name, equal ? 0 : 1, 0, note);

    public override string ToString()
    {
        string error = double.IsInfinity(Error) ? "-" : Error.ToString("0.0e+00", System.Globalization.CultureInfo.InvariantCulture);
        string tolerance = Tolerance.ToString("0.0e+00", System.Globalization.CultureInfo.InvariantCulture);
        return $"{Name}  {error}  {tolerance}  {(Passed ? "ok" : "FAIL")}{(Note is null ? "" : "  " + Note)}";
    }
}
