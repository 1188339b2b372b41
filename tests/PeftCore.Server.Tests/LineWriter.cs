using System.Text;

namespace PeftCore.Server.Tests;

/// <summary>Collects text and tells when a line with some text has been written.</summary>
internal sealed class LineWriter : TextWriter
{
    private readonly Lock _turn = new();
    private readonly List<string> _lines = [];
    private readonly List<(string Part, TaskCompletionSource<string> Seen)> _waiting = [];
    private readonly StringBuilder _line = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        lock (_turn)
        {
            if (value != '\n')
            {
                _line.Append(value);
                return;
            }
            string line = _line.ToString().TrimEnd('\r');
            _line.Clear();
            _lines.Add(line);
            foreach (var (_, seen) in _waiting.Where(each => line.Contains(each.Part, StringComparison.Ordinal)))
            {
                seen.TrySetResult(line);
            }
        }
    }

    /// <summary>Completed with the first line that has a text.</summary>
    public Task<string> Line(string part)
    {
        lock (_turn)
        {
            if (_lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal)) is { } there)
            {
                return Task.FromResult(there);
            }
            var seen = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((part, seen));
            return seen.Task;
        }
    }

    public override string ToString()
    {
        lock (_turn)
        {
            return string.Join('\n', _lines);
        }
    }
}
