using System.Net.Http.Headers;
using System.Text.Json;

namespace PeftCore.Bench;

/// <summary>One text that the clients of a load ask for, and the answer that it gets alone.</summary>
internal sealed record LoadRequest(string Model, string Prompt, int Tokens, string Expected = "")
{
    public string Json(bool stream) => $"{{\"model\": \"{Model}\", \"prompt\": \"{JsonEncodedText.Encode(Prompt)}\", " +
        $"\"max_tokens\": {Tokens}, \"temperature\": 0, \"stream\": {(stream ? "true" : "false")}}}";
}

/// <summary>What a load has seen.</summary>
/// <param name="Answered">Streams that ended with the text of a request alone.</param>
/// <param name="Wrong">Streams with another text.</param>
/// <param name="Lost">Streams that were refused, or ended early.</param>
/// <param name="Tokens">New tokens of all answers.</param>
/// <param name="Seconds">From the first request to the last answer.</param>
/// <param name="Latencies">Seconds of each answered stream, sorted.</param>
/// <param name="FirstProblem">A description of the first wrong or lost answer; null for none.</param>
internal sealed record LoadResult(int Answered, int Wrong, int Lost, long Tokens, double Seconds, double[] Latencies, string? FirstProblem);

/// <summary>Clients that stream completions from a server at the same time, each its next one when the last has ended, and compare every
/// text with the one that its request gets alone.</summary>
internal sealed class StreamLoad(Uri server) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = server, Timeout = TimeSpan.FromMinutes(5) };
    private readonly Lock _turn = new();
    private readonly List<double> _latencies = [];
    private int _wrong, _lost, _begun;
    private long _tokens;
    private string? _problem;

    /// <summary>Asks for each text alone, one after another.</summary>
    public async Task<IReadOnlyList<LoadRequest>> Expect(IEnumerable<LoadRequest> requests)
    {
        var all = new List<LoadRequest>();
        foreach (var request in requests)
        {
            using var response = await Send(request, stream: false);
            response.EnsureSuccessStatusCode();
            using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
            all.Add(request with { Expected = json.RootElement.GetProperty("choices")[0].GetProperty("text").GetString()! });
        }
        return all;
    }

    /// <summary>Streams until the time is over, or until there were enough requests.</summary>
    /// <param name="requests">The texts, which the clients take in turns.</param>
    /// <param name="streams">Number of clients.</param>
    /// <param name="time">No request begins after it.</param>
    /// <param name="most">No more requests than this.</param>
    public async Task<LoadResult> Run(IReadOnlyList<LoadRequest> requests, int streams, TimeSpan time, int most)
    {
        long began = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, streams).Select(async _ =>
        {
            while (TimeProvider.System.GetElapsedTime(began) < time && Interlocked.Increment(ref _begun) is var number && number <= most)
            {
                await Ask(requests[number % requests.Count]);
            }
        }));
        double seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        return new LoadResult(_latencies.Count, _wrong, _lost, _tokens, seconds, [.. _latencies.Order()], _problem);
    }

    public void Dispose() => _http.Dispose();

    private async Task Ask(LoadRequest request)
    {
        long began = TimeProvider.System.GetTimestamp();
        try
        {
            using var response = await Send(request, stream: true);
            response.EnsureSuccessStatusCode();
            var (text, tokens) = await Read(response);
            double seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
            lock (_turn)
            {
                _tokens += tokens;
                if (text == request.Expected)
                {
                    _latencies.Add(seconds);
                    return;
                }
                _wrong++;
                _problem ??= $"{request.Model}, \"{request.Prompt}\": \"{text}\", expected \"{request.Expected}\"";
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or OperationCanceledException)
        {
            lock (_turn)
            {
                _lost++;
                _problem ??= $"{request.Model}, \"{request.Prompt}\": {e.Message}";
            }
        }
    }

    private static async Task<(string Text, int Tokens)> Read(HttpResponseMessage response)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var text = new System.Text.StringBuilder();
        int pieces = 0;
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line == "data: [DONE]")
            {
                return (text.ToString(), pieces);
            }
            if (line.Length > 0)
            {
                using var json = JsonDocument.Parse(line["data: ".Length..]);
                string piece = json.RootElement.GetProperty("choices")[0].GetProperty("text").GetString()!;
                text.Append(piece);
                pieces += piece.Length > 0 ? 1 : 0;
            }
        }
        throw new IOException("the stream ended without [DONE]");
    }

    private async Task<HttpResponseMessage> Send(LoadRequest request, bool stream)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent(request.Json(stream), new MediaTypeHeaderValue("application/json")),
        };
        return await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
    }
}
