namespace PeftCore.Data;

/// <summary>File and line of a row, for error messages.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">The row's first line, from 1.</param>
public readonly record struct RowPlace(string File, int Line)
{
    /// <summary>An error with the message "file, line n: problem."</summary>
    public BadInputException Error(string problem, Exception? inner = null) =>
        inner is null ? new BadInputException($"{this}: {problem}.") : new BadInputException($"{this}: {problem}.", inner);

    /// <summary>File and line, for error messages.</summary>
    public override string ToString() => $"{File}, line {Line}";
}
