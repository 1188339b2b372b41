namespace PeftCore.Data;

/// <summary>The file and line of a row of data, for error messages.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">The line of the row's start, from 1; the number of the row in a file without lines.</param>
/// <param name="Unit">What <paramref name="Line"/> counts.</param>
internal readonly record struct RowPlace(string File, int Line, string Unit = "line")
{
    /// <summary>An error with the message "file, line n: problem."</summary>
    public BadInputException Error(string problem, Exception? inner = null) =>
        inner is null ? new BadInputException($"{this}: {problem}.") : new BadInputException($"{this}: {problem}.", inner);

    /// <summary>File and line, for error messages.</summary>
    public override string ToString() => $"{File}, {Unit} {Line}";
}
