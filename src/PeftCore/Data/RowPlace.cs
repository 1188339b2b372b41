namespace PeftCore.Data;

/// <summary>Where a row of data stands, for error sentences.</summary>
/// <param name="File">The file it was read from.</param>
/// <param name="Line">The line it begins on, counted from one.</param>
internal readonly record struct RowPlace(string File, int Line)
{
    /// <summary>An error with the message "file, line n: problem."</summary>
    public BadInputException Error(string problem, Exception? inner = null) =>
        inner is null ? new BadInputException($"{this}: {problem}.") : new BadInputException($"{this}: {problem}.", inner);

    /// <summary>File and line, for error messages.</summary>
    public override string ToString() => $"{File}, line {Line}";
}
