namespace PeftCore.Data;

/// <summary>The file and line of a row of data, for error messages.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">The line of the row's start, from 1.</param>
internal readonly record struct RowPlace(string File, int Line)
{
    /// <summary>An error with the message "file, line n: problem."</summary>
    public BadInputException Error(string problem, Exception? inner = null) =>
        inner is null ? new BadInputException($"{this}: {problem}.") : new BadInputException($"{this}: {problem}.", inner);

    /// <summary>File and line, for error messages.</summary>
    public override string ToString() => $"{File}, line {Line}";
}
