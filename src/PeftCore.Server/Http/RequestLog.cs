using System.Globalization;

namespace PeftCore.Server.Http;

/// <summary>Writes one line a request. Texts of prompts and answers are never in it.</summary>
/// <param name="writer">Standard error.</param>
internal sealed class RequestLog(TextWriter writer)
{
    private readonly Lock _turn = new();
    private bool _failed;

    /// <summary>Writes the line of a request that has ended.</summary>
    public void Write(RequestNote note, TimeSpan time)
    {
        var culture = CultureInfo.InvariantCulture;
        string line = string.Create(culture, $"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {note.Method} {note.Path} {note.Outcome} " +
            $"{time.TotalSeconds:0.000} s");
        if (note.Model is { } model)
        {
            line += $" model={model}";
        }
        if (note.PromptTokens > 0)
        {
            line += string.Create(culture, $" prompt={note.PromptTokens} new={note.NewTokens}");
        }
        Write(note.Problem is { } problem ? $"{line} {problem}" : line);
    }

    /// <summary>Writes a line.</summary>
    public void Write(string line)
    {
        lock (_turn)
        {
            try
            {
                if (!_failed)
                {
                    writer.WriteLine(line);
                }
            }
            catch (Exception e) when (e is BadInputException or IOException or ObjectDisposedException)
            {
                // A full disk behind standard error must not stop the answers.
                _failed = true;
            }
        }
    }
}

/// <summary>What the log says of a request; endpoints fill it in as they learn it.</summary>
/// <param name="method">GET or POST.</param>
/// <param name="path">The path of an endpoint, or "-" for an unknown one.</param>
internal sealed class RequestNote(string method, string path)
{
    public string Method => method;

    public string Path => path;

    /// <summary>The status, or why there is none.</summary>
    public string Outcome { get; set; } = "";

    /// <summary>The name of a served model; null if the request names none that is served.</summary>
    public string? Model { get; set; }

    public int PromptTokens { get; set; }

    public int NewTokens { get; set; }

    /// <summary>The code of an error, or the kind of an unexpected one.</summary>
    public string? Problem { get; set; }
}
