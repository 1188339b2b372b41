using System.Text;
using Spectre.Console;

namespace PeftCore.Cli.Output;

/// <summary>Standard output and standard error. With --json only the JSON object goes to standard output, text for people to standard
/// error.</summary>
internal sealed class Terminal(TextWriter output, TextWriter error)
{
    private readonly HashSet<string> _warned = new(StringComparer.Ordinal);
    private bool _statusShown;
    private IAnsiConsole? _live;

    public TextWriter Output => output;

    public TextWriter Error => error;

    /// <summary>Standard input.</summary>
    public TextReader Input { get; init; } = TextReader.Null;

    /// <summary>Whether standard input is a file or a pipe, and not a person at a terminal.</summary>
    public bool InputIsPiped { get; init; }

    public bool Json { get; set; }

    public bool Verbose { get; set; }

    /// <summary>Whether standard error is an interactive terminal, where a line can be overwritten, and not a file or a pipe.</summary>
    public bool Interactive { get; init; }

    /// <summary>Whether standard output is a terminal, where tables have lines, and not a file or a pipe.</summary>
    public bool OutputIsScreen { get; init; }

    /// <summary>Whether colours are used: on an interactive terminal without NO_COLOR.</summary>
    public bool Color { get; init; }

    /// <summary>Width of the terminal in columns.</summary>
    public int Width { get; init; } = 100;

    public static Terminal OfProcess()
    {
        bool screen = !Console.IsErrorRedirected;
        return new Terminal(Utf8(Console.OpenStandardOutput(), "standard output"), Utf8(Console.OpenStandardError(), "standard error"))
        {
            Input = Console.IsInputRedirected ? Utf8(Console.OpenStandardInput()) : Console.In,
            InputIsPiped = Console.IsInputRedirected,
            Interactive = screen,
            OutputIsScreen = !Console.IsOutputRedirected,
            Color = screen && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
            Width = screen && Console.WindowWidth > 0 ? Console.WindowWidth : 100,
        };
    }

    /// <summary>Prints a line of the result for people.</summary>
    public void Say(string line = "")
    {
        EndStatus();
        if (_live is { } live && (Json || OutputIsScreen))
        {
            live.Write(new Text(line + "\n"));
        }
        else
        {
            (Json ? error : output).WriteLine(line);
        }
    }

    /// <summary>Prints a table of the result for people: with lines on a terminal, as aligned columns in a file or a pipe.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="hasHeader">Whether the first row is the header.</param>
    /// <param name="right">Numbers of the columns that are right-aligned.</param>
    public void Table(IReadOnlyList<string[]> rows, bool hasHeader, params int[] right)
    {
        if (OutputIsScreen && !Json)
        {
            EndStatus();
            Screen.On(output, Color, Width).Write(Screen.Table(rows, hasHeader, right));
            return;
        }
        foreach (string line in TextTable.Lines(rows, right))
        {
            Say(line);
        }
    }

    /// <summary>Prints a line that is not a result, such as a warning or progress.</summary>
    public void Note(string line)
    {
        EndStatus();
        if (_live is { } live)
        {
            live.Write(new Text(line + "\n"));
        }
        else
        {
            error.WriteLine(line);
        }
    }

    /// <summary>Does work with a display on standard error that is drawn again below what is printed meanwhile.</summary>
    public T Live<T>(Func<IAnsiConsole, T> work)
    {
        EndStatus();
        _live = Screen.On(error, Color, Width);
        try
        {
            return work(_live);
        }
        finally
        {
            _live = null;
        }
    }

    /// <summary>Shows the cursor again, which a live display hides, before the process is ended.</summary>
    public void ShowCursor() => _live?.Cursor.Show();

    /// <summary>Prints a warning, the same one only once.</summary>
    public void Warn(string sentence)
    {
        if (_warned.Add(sentence))
        {
            Note("warning: " + sentence);
        }
    }

    /// <summary>Prints a status line, which the next one overwrites.</summary>
    public void Status(string line)
    {
        const string ClearLine = "\r\u001b[2K";
        error.Write(ClearLine + line);
        error.Flush();
        _statusShown = true;
    }

    /// <summary>Keeps the last status line and continues below it.</summary>
    public void EndStatus()
    {
        if (_statusShown)
        {
            error.WriteLine();
        }

        _statusShown = false;
    }

    // A file or a pipe is UTF-8, whatever the terminal's encoding; other bytes are an error and not replaced.
    private static StreamReader Utf8(Stream stream) =>
        new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true));

    private static StreamWriter Utf8(Stream stream, string name) =>
        new(new StandardStream(stream, name), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
}
