using PeftCore.Io;

namespace PeftCore.Data;

/// <summary>Reads data sets: a file, or a directory with files for training, validation and test.</summary>
/// <example>
/// <code>
/// var rows = DataFiles.Open(dataFile).RequireTrain();
/// var (prompt, completion) = rows[0].PromptAndCompletion!.Value;
/// Console.WriteLine($"{rows.Count} rows; {prompt} → {completion}");
/// </code>
/// </example>
public static class DataFiles
{
    private static readonly string[] Endings = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt"];
    private static readonly string[] TrainNames = ["train", "training"];
    private static readonly string[] ValidationNames = ["valid", "validation", "val", "dev"];
    private static readonly string[] TestNames = ["test"];

    /// <summary>Reads a file or a directory. A single file is training data.</summary>
    /// <exception cref="BadInputException">There is nothing to read, or a row is invalid; the message names file and line.</exception>
    public static DataSplits Open(string path, ReadOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
        {
            return new DataSplits(path, ReadFile(path, options), null, null);
        }

        string[] files = FilesOf(path);
        string[] endings = [.. Endings, .. options?.Readers.Keys.Select(ending => ending.ToLowerInvariant()) ?? []];
        List<DataRow>? Split(string[] names) =>
            SplitFiles.Find(path, files, names, endings) is { Count: > 0 } found
                ? [.. found.SelectMany(file => ReadFile(file, options))] : null;
        var splits = new DataSplits(path, Split(TrainNames), Split(ValidationNames), Split(TestNames));
        if (splits.Train is null && splits.Validation is null && splits.Test is null
            && MediaFolder.Find(path, (TrainNames, ValidationNames, TestNames), options ?? new ReadOptions()) is { } media)
        {
            splits = media;
        }
        if (splits.Train is null && splits.Validation is null && splits.Test is null)
        {
            throw new BadInputException($"{path}: the directory has no data, expected train, valid or test with one of the endings "
                + $"{string.Join(", ", endings)}{Others(files)}; or name the data file itself.");
        }
        files = [.. files.Where(file => endings.Contains(Path.GetExtension(file).ToLowerInvariant()))];
        NoteUnread(path, files, splits, options?.Warnings);
        SharedRows.Warn(splits, options?.Warnings);
        return splits;
    }

    /// <summary>Reads the rows of one file. The ending decides the format: .jsonl, .json, .csv, .tsv, .txt, one of
    /// <see cref="ReadOptions.Readers"/>, and for any other a class number and text on each line.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or a row is invalid; the message names file and line.</exception>
    public static List<DataRow> ReadFile(string path, ReadOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new ReadOptions();
        options.Check();
        string ending = Path.GetExtension(path).ToLowerInvariant();
        return ending switch
        {
            _ when options.Readers.TryGetValue(ending, out var read) => TableRows.Read(path, read, options),
            ".jsonl" or ".ndjson" => JsonRows.ReadLines(path, options),
            ".json" => JsonRows.ReadList(path, options),
            ".csv" => CsvRows.Read(path, ',', options),
            ".tsv" => CsvRows.Read(path, '\t', options),
            ".txt" => [Document(path, options)],
            ".parquet" or ".arrow" => throw new BadInputException(
                $"{path}: Parquet and Arrow files are not read; save the data as .jsonl, in Python with dataset.to_json(\"train.jsonl\")."),
            _ => LabelledLines.Read(path, options),
        };
    }

    private static DocumentRow Document(string path, ReadOptions options)
    {
        options.CheckNoColumns(path);
        var document = new DocumentRow(new RowPlace(path, 1), DataBytes.ReadText(path));
        if (JsonLayout.LooksLikeRow(document.Text.AsSpan().TrimStart()))
        {
            options.Warnings?.Add(
                $"{path}: the text looks like JSON, but a .txt file is one long text and was read so; name it .jsonl if it holds rows.");
        }
        return document;
    }

    private static string[] FilesOf(string directory)
    {
        try
        {
            return [.. Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(directory, e);
        }
    }

    /// <summary>Warns of files such as test_labeled.csv in a directory without test data: they are probably meant to be the
    /// split.</summary>
    private static void NoteUnread(string directory, string[] files, DataSplits splits, ICollection<string>? warnings)
    {
        List<string[]> missing = [];
        missing.AddRange(splits.Train is null ? [TrainNames] : []);
        missing.AddRange(splits.Validation is null ? [ValidationNames] : []);
        missing.AddRange(splits.Test is null ? [TestNames] : []);
        foreach (string[] names in missing)
        {
            string[] near = [.. files.Select(file => Path.GetFileName(file)).Where(name => names.Any(split =>
                name.StartsWith(split, StringComparison.OrdinalIgnoreCase) && !char.IsLetterOrDigit(name[split.Length])))];
            if (near.Length > 0)
            {
                warnings?.Add($"{directory}: {string.Join(", ", near.Take(3))} {(near.Length == 1 ? "is" : "are")} not read, because "
                    + $"the {names[0]} data are a file with the name {names[0]}; rename the file, or name it as the data.");
            }
        }
    }

    /// <summary>Files with the name of a split and an unknown ending.</summary>
    private static string Others(string[] files)
    {
        string[] near = [.. files.Select(file => Path.GetFileName(file)).Where(name => TrainNames.Concat(ValidationNames).Concat(TestNames)
            .Any(split => name.StartsWith(split + ".", StringComparison.OrdinalIgnoreCase))).Take(3)];
        return near.Length == 0 ? "" : $" (found {string.Join(", ", near)})";
    }
}
