using System.Collections;
using System.Diagnostics;
using System.Text;

namespace PeftCore.Misuse;

/// <summary>The calls of the running episode and the faults so far. Each call is written to a file before it begins, so that the file ends
/// with the call that ended the process.</summary>
internal sealed class Journal(string path) : IDisposable
{
    // Half of a surrogate pair, which calls pass too, is written as a replacement character; a writer's own encoding refuses it.
    private readonly StreamWriter _file = new(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false))
    {
        AutoFlush = true
    };
    private readonly Dictionary<string, (int Count, string First)> _faults = [];
    private readonly Dictionary<string, int> _outcomes = [];
    private readonly HashSet<EntryPoint> _succeeded = [];
    private readonly List<string> _calls = [];
    private long _started = Stopwatch.GetTimestamp();

    public int Calls { get; private set; }

    public int Succeeded => _succeeded.Count;

    public int FaultKinds => _faults.Count;

    /// <summary>The time since the running call began.</summary>
    public TimeSpan Running => Stopwatch.GetElapsedTime(Volatile.Read(ref _started));

    public IReadOnlyDictionary<string, int> Outcomes => _outcomes;

    public void BeginEpisode() => _calls.Clear();

    public void Begin(int episode, string call)
    {
        Volatile.Write(ref _started, Stopwatch.GetTimestamp());
        Calls++;
        _calls.Add(call);
        _file.WriteLine($"episode {episode}: {call}");
    }

    public void With(object? receiver, object?[] arguments)
    {
        string text = $"    {(receiver is null ? "" : $"on {Show(receiver)} ")}with {string.Join("; ", arguments.Select(Show))}";
        _calls.Add(text);
        _file.WriteLine(text);
    }

    public void Success(EntryPoint entry) => _succeeded.Add(entry);

    public void End(Exception? e)
    {
        string outcome = e is null ? "success" : e.GetType().Name;
        _outcomes[outcome] = _outcomes.GetValueOrDefault(outcome) + 1;
        _calls.Add($"    {(e is null ? "success" : $"{outcome}: {e.Message}")}");
    }

    public void Fault(string name, string reason, Exception e)
    {
        string key = $"{e.GetType().Name} ({reason}) {Judge.Place(e)}";
        var (count, first) = _faults.GetValueOrDefault(key, (0, $"{name}\n{string.Join('\n', _calls.TakeLast(12))}\n{e}"));
        _faults[key] = (count + 1, first);
    }

    public void Report(TextWriter writer)
    {
        foreach (var (key, (count, first)) in _faults.OrderByDescending(fault => fault.Value.Count))
        {
            writer.WriteLine($"== {count} × {key}\n{first}\n");
        }
    }

    public static string Show(object? value)
    {
        try
        {
            string text = value switch
            {
                null => "null",
                string s => $"\"{s}\"",
                IList list => $"[{string.Join(", ", list.Cast<object?>().Take(8).Select(Show))}]",
                Delegate function => function.GetType().Name,
                _ when value.GetType().IsValueType || value is Tensors.Tensor => $"{value}",
                _ => value.GetType().Name,
            };
            return text.Length > 120 ? text[..120] : text;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"{value?.GetType().Name}, whose ToString threw {e.GetType().Name}";
        }
    }

    public void Dispose() => _file.Dispose();
}
