using System.Buffers;
using System.Text.Json;
using Parquet;
using PeftCore.Io;

namespace PeftCore.Cli.Session;

/// <summary>Reads the rows of a Parquet file as JSON objects, one row group after the other. A null is a JSON null; bytes, which no field
/// of a row holds, are null too.</summary>
internal static class ParquetRows
{
    public const string Extension = ".parquet";

    /// <summary>The reader of Parquet files by its extension.</summary>
    /// <param name="warnings">Receives the names of class numbers, which only the file's metadata have.</param>
    /// <param name="named">Whether the user names the labels.</param>
    public static Dictionary<string, Func<string, IEnumerable<JsonElement>>> Readers(ICollection<string> warnings, bool named) => new()
    {
        [Extension] = path => Read(path, names =>
        {
            if (!named)
            {
                warnings.Add($"{path}: {names}");
            }
        }),
    };

    /// <param name="path">The file.</param>
    /// <param name="tellNames">Receives a sentence about the names of class numbers.</param>
    /// <exception cref="BadInputException">The file cannot be read, or has a construct that is not supported.</exception>
    public static IEnumerable<JsonElement> Read(string path, Action<string> tellNames)
    {
        using var file = Run(path, () => Task.FromResult(File.OpenRead(path)));
        var reader = Run(path, () => ParquetReader.CreateAsync(file, leaveStreamOpen: true));
        if (ClassNames.Sentence(reader.CustomMetadata) is { } names)
        {
            tellNames(names);
        }
        for (int number = 0; number < reader.RowGroupCount; number++)
        {
            foreach (var row in Run(path, () => ReadGroup(reader, number)))
            {
                yield return row;
            }
        }
    }

    private static async Task<List<JsonElement>> ReadGroup(ParquetReader reader, int number)
    {
        using var group = reader.OpenRowGroupReader(number);
        var fields = await ParquetTree.ReadAsync(reader.Schema, group).ConfigureAwait(false);
        var rows = new List<JsonElement>();
        var buffer = new ArrayBufferWriter<byte>();
        for (long row = 0; row < group.RowCount; row++)
        {
            buffer.ResetWrittenCount();
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                foreach (var field in fields)
                {
                    json.WritePropertyName(field.Name);
                    field.Write(json);
                }
                json.WriteEndObject();
            }
            using var document = JsonDocument.Parse(buffer.WrittenMemory);
            rows.Add(document.RootElement.Clone());
        }
        return rows;
    }

    private static T Run<T>(string path, Func<Task<T>> read)
    {
        try
        {
            return read().GetAwaiter().GetResult();
        }
        catch (Exception e) when (!File.Exists(path) && FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
        // The package throws exceptions of many types for damaged files and for constructs that it does not read.
        catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
        {
            throw new BadInputException($"{path}: not a Parquet file that can be read ({Reason(e)}); fetch it again, or save the data as "
                + ".jsonl, in Python with dataset.to_json(\"train.jsonl\").", e);
        }
    }

    private static string Reason(Exception e) => e.Message.Split('\n')[0].TrimEnd('.', ' ');
}
