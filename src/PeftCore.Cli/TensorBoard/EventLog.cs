using System.Text;
using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Cli.TensorBoard;

/// <summary>Copies the rows of training_log.jsonl to an event file of TensorBoard, under the names of transformers: train/loss,
/// train/learning_rate, eval/loss, eval/accuracy.</summary>
internal sealed class EventLog : IDisposable
{
    private const string Evaluation = "eval_";

    // The step is a field of an event, and time is measured by its clock.
    private static readonly string[] Left = ["step", "elapsed"];

    private readonly string _log;
    private readonly EventFile _events;
    private readonly bool _resumed;
    private long _read;
    private bool _started;

    /// <summary>Creates the event file. The rows that the log has already are not copied: they are in the files of the run that is
    /// resumed.</summary>
    /// <param name="log">The log of a run that has begun.</param>
    /// <param name="resumed">Whether the run goes on from a checkpoint.</param>
    /// <exception cref="BadInputException">The directory is not writable.</exception>
    public EventLog(string log, bool resumed)
    {
        (_log, _resumed) = (log, resumed);
        _read = File.Exists(log) ? new FileInfo(log).Length : 0;
        _events = EventFile.Create(Path.GetDirectoryName(log)!, replace: !resumed);
    }

    /// <summary>Copies the rows that were added since the last call.</summary>
    /// <exception cref="BadInputException">The disk is full, or the log cannot be read.</exception>
    public void Update()
    {
        foreach (string line in NewLines())
        {
            using var row = JsonDocument.Parse(line);
            Write(row.RootElement);
        }
    }

    public void Dispose() => _events.Dispose();

    private void Write(JsonElement row)
    {
        long step = row.GetProperty("step").GetInt64();
        if (_resumed && !_started)
        {
            // What an interrupted run logged after its checkpoint is computed again.
            _events.Write(EventMessage.Start(EventFile.Now(), step));
        }
        _started = true;
        _events.Write(EventMessage.Scalars(EventFile.Now(), step, row.EnumerateObject()
            .Where(field => field.Value.ValueKind == JsonValueKind.Number && !Left.Contains(field.Name))
            .Select(field => (TagOf(field.Name), field.Value.GetDouble()))));
    }

    private static string TagOf(string name) => name.StartsWith(Evaluation, StringComparison.Ordinal)
        ? "eval/" + name[Evaluation.Length..] : "train/" + name;

    private string[] NewLines()
    {
        try
        {
            using var file = new FileStream(_log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length <= _read)
            {
                return [];
            }
            byte[] bytes = new byte[file.Length - _read];
            file.Seek(_read, SeekOrigin.Begin);
            file.ReadExactly(bytes);
            _read += bytes.Length;
            return Encoding.UTF8.GetString(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(_log, e);
        }
    }
}
