using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Training;

/// <summary>training_log.jsonl: one JSON object a line, each written in one call, so that a killed run leaves at most one partial line, the
/// last. A resumed run truncates the log to its length at the checkpoint.</summary>
internal sealed class RunLog : IDisposable
{
    public const string FileName = "training_log.jsonl";

    private readonly FileStream _file;
    private readonly Action<string>? _fault;

    private readonly MemoryStream _line = new();
    private readonly Utf8JsonWriter _json;

    private RunLog(FileStream file, Action<string>? fault) => (_file, _fault, _json) = (file, fault, new Utf8JsonWriter(_line));

    /// <summary>Bytes written.</summary>
    public long Length => _file.Length;

    /// <summary>Opens a log and truncates it to a length. If the directory has none, the log of the resumed run is copied first; a shorter
    /// log keeps its length.</summary>
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
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
    }

    public void Write(params ReadOnlySpan<(string Name, double Value)> fields)
    {
        _line.SetLength(0);
        _json.Reset(_line);
        _json.WriteStartObject();
        foreach (var (name, value) in fields)
        {
            if (double.IsFinite(value))
            {
                _json.WriteNumber(name, value);
            }
            else
            {
                _json.WriteNull(name); // JSON has no infinity, which the perplexity of an untrained model can be.
            }
        }
        _json.WriteEndObject();
        _json.Flush();
        _line.WriteByte((byte)'\n');
        Append(_line.GetBuffer().AsSpan(0, (int)_line.Length));
    }

    /// <summary>Flushes to the disk, because a checkpoint refers to the log's length.</summary>
    /// <exception cref="BadInputException">The disk is full, or the log was moved or removed.</exception>
    public void Flush()
    {
        try
        {
            _file.Flush(flushToDisk: true);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(_file.Name, e);
        }
        if (!File.Exists(_file.Name))
        {
            throw new BadInputException($"{Path.GetDirectoryName(_file.Name)}: the output directory was removed or renamed while training, "
                + "so the run ends here; resume from a checkpoint where it is now, or start anew");
        }
    }

    public void Dispose()
    {
        _json.Dispose();
        _file.Dispose();
    }

    private void Append(ReadOnlySpan<byte> line)
    {
        try
        {
            _fault?.Invoke("log row");
            _file.Write(line);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(_file.Name, e);
        }
    }
}
