using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using PeftCore.Cli;
using PeftCore.Cli.Output;
using PeftCore.Server.Tests;

namespace PeftCore.Lab.Tests;

/// <summary><c>peftcore lab</c> in this process, on a free port.</summary>
internal sealed class OpenLab : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly LineWriter _output = new(), _error = new();
    private readonly Task<int> _run;

    public OpenLab()
    {
        _run = Task.Factory.StartNew(() => Tool.Run(["lab", "--no-browser", "--threads", "2"], new Terminal(_output, _error),
            _stop.Token), TaskCreationOptions.LongRunning);
        var printed = _output.Line("the lab is at ");
        Task.WaitAny(_run, printed);
        Assert.That(printed.IsCompleted, Is.True, () => _error.ToString());
        Url = new Uri(printed.Result["the lab is at ".Length..]);
        Token = Url.Query["?token=".Length..];
        Http = new HttpClient { BaseAddress = new Uri(Url.GetLeftPart(UriPartial.Authority)) };
        Http.DefaultRequestHeaders.Add("X-Lab-Token", Token);
    }

    /// <summary>The printed address, with the token.</summary>
    public Uri Url { get; }

    public string Token { get; }

    /// <summary>A client with the token.</summary>
    public HttpClient Http { get; }

    public async Task<HttpResponseMessage> Post(string path, string json) =>
        await Http.PostAsync(path, new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json")));

    /// <summary>The status and the JSON of an answer.</summary>
    public async Task<(int Status, JsonElement Json)> Ask(string path, string json)
    {
        using var response = await Post(path, json);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return ((int)response.StatusCode, document.RootElement.Clone());
    }

    /// <summary>Makes a run and trains it.</summary>
    public async Task Train(string run, string settings, int steps)
    {
        var (status, answer) = await Ask("/api/create", $$"""{"run": "{{run}}", "settings": {{settings}}}""");
        Assert.That(status, Is.EqualTo(200), answer.ToString());
        await Ask("/api/train", $$"""{"run": "{{run}}", "steps": {{steps}}}""");
        await Until(run, state => state.GetProperty("step").GetInt32() >= steps && state.GetProperty("state").GetString() == "paused");
    }

    /// <summary>The first state of a run, with all its records, that fulfils a condition.</summary>
    public async Task<JsonElement> Until(string run, Func<JsonElement, bool> holds)
    {
        while (true)
        {
            if (await State(run) is { } state && holds(state))
            {
                return state;
            }
        }
    }

    /// <summary>The state of a run as a page that connects now gets it; null if there is no such run.</summary>
    public async Task<JsonElement?> State(string run)
    {
        using var stream = await Http.GetStreamAsync(new Uri("/api/events", UriKind.Relative));
        using var reader = new StreamReader(stream);
        string line = (await reader.ReadLineAsync())!;
        using var document = JsonDocument.Parse(line["data: ".Length..]);
        foreach (var state in document.RootElement.EnumerateArray())
        {
            if (state.GetProperty("run").GetString() == run)
            {
                return state.Clone();
            }
        }
        return null;
    }

    /// <summary>Ends the lab as Ctrl-C does, and returns the exit code.</summary>
    public int Stop()
    {
        _stop.Cancel();
        return _run.Result;
    }

    public void Dispose()
    {
        Stop();
        Http.Dispose();
        _stop.Dispose();
    }
}
