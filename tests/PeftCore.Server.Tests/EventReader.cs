using System.Text.Json;

namespace PeftCore.Server.Tests;

/// <summary>Reads server-sent events one by one.</summary>
internal sealed class EventReader : IDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _reader;

    private EventReader(HttpResponseMessage response, StreamReader reader) => (_response, _reader) = (response, reader);

    /// <summary>The first event.</summary>
    public string First { get; private init; } = "";

    /// <summary>Reads the first event of a response.</summary>
    public static async Task<EventReader> Begin(HttpResponseMessage response)
    {
        var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        return new EventReader(response, reader) { First = await Next(reader) ?? "" };
    }

    /// <summary>The data of the other events up to the end of the response.</summary>
    public async Task<IReadOnlyList<string>> Rest()
    {
        var events = new List<string>();
        while (await Next(_reader) is { } next)
        {
            events.Add(next);
        }
        return events;
    }

    /// <summary>The text of all events of a completion.</summary>
    public async Task<string> Text() => TextOf((await Rest()).Prepend(First));

    /// <summary>The text that the events of a completion make together; the last must be [DONE].</summary>
    public static string TextOf(IEnumerable<string> events)
    {
        string[] all = [.. events];
        Assert.That(all[^1], Is.EqualTo("[DONE]"));
        return string.Concat(all[..^1].SelectMany(each => JsonDocument.Parse(each).RootElement.GetProperty("choices").EnumerateArray())
            .Select(choice => choice.GetProperty("text").GetString()));
    }

    public void Dispose()
    {
        _reader.Dispose();
        _response.Dispose();
    }

    private static async Task<string?> Next(StreamReader reader)
    {
        string? data = null;
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.Length == 0)
            {
                return data;
            }
            Assert.That(line, Does.StartWith("data: "));
            data = line["data: ".Length..];
        }
        return null;
    }
}
