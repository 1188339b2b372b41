namespace PeftCore.Data;

/// <summary>Reads many files of which some may be bad: the first is an error, or bad ones are counted and left out.</summary>
/// <param name="skips">Whether bad files are left out.</param>
internal sealed class BadFiles(bool skips)
{
    /// <summary>Files that were left out.</summary>
    public int Count { get; private set; }

    /// <summary>What was wrong with the first of them; null if there are none.</summary>
    public string? First { get; private set; }

    /// <summary>Reads a file.</summary>
    /// <returns>Null if the file is bad.</returns>
    /// <exception cref="BadInputException">The file is bad, and bad files are not left out.</exception>
    public T? Read<T>(Func<T> read) where T : class
    {
        try
        {
            return read();
        }
        catch (BadInputException e) when (skips)
        {
            Count++;
            First ??= e.Message;
            return null;
        }
    }

    /// <summary>Reads a file that a row names. The error for a bad one says file and line of the row too, unless the row is the file
    /// itself.</summary>
    public T? Read<T>(RowPlace place, Func<T> read) where T : class => Read(() =>
    {
        try
        {
            return read();
        }
        catch (BadInputException e) when (place.Unit != MediaFolder.Unit)
        {
            throw place.Error(e.Message.TrimEnd('.'), e);
        }
    });

    /// <summary>A warning for the user; null if no file was left out.</summary>
    /// <param name="rows">Files in all.</param>
    public string? Warning(int rows) => Count == 0 ? null : $"{Count} of {rows} files were left out; the first: {First}";
}
