using PeftCore.Io;

namespace PeftCore.Data;

/// <summary>Reads directories of files, such as recordings or pictures, in the layouts of Hugging Face's audiofolder and imagefolder: a
/// metadata.csv or metadata.jsonl with a column "file_name", or one directory for each class, or files alone, which only diffusion models
/// learn. Splits are directories named as those files.</summary>
internal static class MediaFolder
{
    /// <summary>What the places of rows count whose files are in the directory of their class.</summary>
    public const string Unit = "file";

    private static readonly string[] MetadataNames = ["metadata.csv", "metadata.jsonl"];

    /// <summary>Reads a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="splits">The names of the directories of training, validation and test data.</param>
    /// <param name="options">How rows are read, with the endings of files.</param>
    /// <returns>Null if the directory has none of the layouts.</returns>
    /// <exception cref="BadInputException">A class has no files.</exception>
    public static DataSplits? Find(string path, (string[] Train, string[] Validation, string[] Test) splits, ReadOptions options)
    {
        if (options.MediaEndings.Count == 0)
        {
            return null;
        }
        string[] directories = Entries(path, Directory.EnumerateDirectories);
        List<DataRow>? Split(string[] names) => Array.Find(directories, directory =>
            names.Contains(Path.GetFileName(directory).ToLowerInvariant()) && IsMedia(directory, options)) is { } found
            ? Read(found, options) : null;
        var (train, validation, test) = (Split(splits.Train), Split(splits.Validation), Split(splits.Test));
        return train is not null || validation is not null || test is not null ? new DataSplits(path, train, validation, test)
            : IsMedia(path, options) ? new DataSplits(path, Read(path, options), null, null) : null;
    }

    /// <summary>Whether a directory has metadata, or files with the endings in it or in directories below.</summary>
    private static bool IsMedia(string directory, ReadOptions options) => MetadataOf(directory) is not null
        || FilesOf(directory, options).Length > 0
        || Entries(directory, Directory.EnumerateDirectories).Any(below => FilesOf(below, options).Length > 0);

    private static List<DataRow> Read(string directory, ReadOptions options)
    {
        if (MetadataOf(directory) is { } metadata)
        {
            return DataFiles.ReadFile(metadata, options);
        }
        string endings = string.Join(", ", options.MediaEndings);
        if (FilesOf(directory, options) is { Length: > 0 } loose)
        {
            return [.. loose.Select((file, i) => new MediaRow(new RowPlace(directory, i + 1, "file"), file, null, null))];
        }
        var rows = new List<DataRow>();
        foreach (string below in Entries(directory, Directory.EnumerateDirectories))
        {
            string[] files = FilesOf(below, options);
            if (files.Length == 0)
            {
                throw new BadInputException($"{below}: the directory of a class has no file with the ending {endings}; add some, or remove " +
                    "the directory.");
            }
            rows.AddRange(files.Select((file, i) =>
                options.Named(new MediaRow(new RowPlace(below, i + 1, Unit), file, null, Path.GetFileName(below)))));
        }
        return rows;
    }

    private static string? MetadataOf(string directory) =>
        MetadataNames.Select(name => Path.Combine(directory, name)).FirstOrDefault(File.Exists);

    private static string[] FilesOf(string directory, ReadOptions options) =>
        [.. Entries(directory, Directory.EnumerateFiles).Where(file =>
            options.MediaEndings.Contains(Path.GetExtension(file).ToLowerInvariant()))];

    private static string[] Entries(string directory, Func<string, IEnumerable<string>> list)
    {
        try
        {
            return [.. list(directory).Where(entry => !Path.GetFileName(entry).StartsWith('.')).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(directory, e);
        }
    }
}
