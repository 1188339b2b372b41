using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Training;

/// <summary>training_log.jsonl: one JSON object a line, written at once, so that a killed run leaves whole lines but perhaps the last. A resumed
/// run cuts it back to where its checkpoint was made.</summary>
internal sealed class RunLog : IDisposable
{
    public const string FileName = "training_log.jsonl";

    private readonly FileStream _file;
    private readonly Action<string>? _fault;

    private RunLog(FileStream file, Action<string>? fault) => (_file, _fault) = (file, fault);

    /// <summary>Bytes written.</summary>
    public long Length => _file.Length;

    /// <summary>Opens the log of a run at a length, taking over that of the resumed run if this one has none; a shorter one goes on from what there
    /// is.</summary>
    public static RunLog Open(string directory, long length, string? resumedRun, Action<string>? fault = null)
    {
        string path = Path.Combine(directory, FileName);
        try
        {
            Directory.CreateDirectory(directory);
            if (resumedRun is not null && !File.Exists(path) && File.Exists(Path.Combine(resumedRun, FileName)))
            {
                AtomicFile.WriteAllBytes(path, File.ReadAllBytes(Path.Combine(resumedRun, FileName)));
            }
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete, bufferSize: 0);
            file.SetLength(Math.Min(length, file.Length));
            file.Seek(0, SeekOrigin.End);
            return new RunLog(file, fault);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            throw FileProblem.Writing(path, e);
        }
    }

    public void Write(params ReadOnlySpan<(string Name, double Value)> fields)
    {
        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            foreach (var (name, value) in fields)
            {
                if (double.IsFinite(value))
                {
                    json.WriteNumber(name, value);
                }
                else
                {
                    json.WriteNull(name); // JSON has no infinity; the perplexity of a model that knows nothing can be one.
                }
            }
            json.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        Append(line.ToArray());
    }

    /// <summary>Flushes to the disk, before a checkpoint counts on what was written.</summary>
    public void Flush() => _file.Flush(flushToDisk: true);

    public void Dispose() => _file.Dispose();

    private void Append(byte[] line)
    {
        try
        {
            _fault?.Invoke("log row");
            _file.Write(line);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            throw FileProblem.Writing(_file.Name, e);
        }
    }
}
