using System.Text;

namespace PeftCore.Cli.Output;

/// <summary>Where text goes. With --json standard output belongs to the JSON object alone, and people read standard error.</summary>
internal sealed class Terminal(TextWriter output, TextWriter error)
{
    private readonly HashSet<string> _warned = new(StringComparer.Ordinal);
    private bool _statusShown;

    public TextWriter Output => output;

    public TextWriter Error => error;

    public bool Json { get; set; }

    public bool Verbose { get; set; }

    /// <summary>Whether a line on standard error can be drawn over: it is a screen, not a file or a pipe.</summary>
    public bool Interactive { get; init; }

    /// <summary>Whether colours may be used: a screen, and nobody set NO_COLOR.</summary>
    public bool Color { get; init; }

    /// <summary>Columns of the screen.</summary>
    public int Width { get; init; } = 100;

    public static Terminal OfProcess()
    {
        bool screen = !Console.IsErrorRedirected;
        return new Terminal(Utf8(Console.OpenStandardOutput(), "standard output"), Utf8(Console.OpenStandardError(), "standard error"))
        {
            Interactive = screen,
            Color = screen && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
            Width = screen && Console.WindowWidth > 0 ? Console.WindowWidth : 100,
        };
    }

    /// <summary>A line for people.</summary>
    public void Say(string line = "")
    {
        EndStatus();
        (Json ? error : output).WriteLine(line);
    }

    /// <summary>A line for people that is not a result: a warning, a plain line of progress.</summary>
    public void Note(string line)
    {
        EndStatus();
        error.WriteLine(line);
    }

    /// <summary>A warning, shown once however often a model is read.</summary>
    public void Warn(string sentence)
    {
        if (_warned.Add(sentence))
        {
            Note("warning: " + sentence);
        }
    }

    /// <summary>A line on the screen that the next one replaces.</summary>
    public void Status(string line)
    {
        const string ClearLine = "\r\u001b[2K";
        error.Write(ClearLine + line);
        error.Flush();
        _statusShown = true;
    }

    /// <summary>Leaves the last status line standing and goes on below it.</summary>
    public void EndStatus()
    {
        if (_statusShown)
        {
            error.WriteLine();
        }

        _statusShown = false;
    }

    private static StreamWriter Utf8(Stream stream, string name) =>
        new(new StandardStream(stream, name), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
}
