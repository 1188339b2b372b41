using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using PeftCore.Cli;
using PeftCore.Cli.Output;
using PeftCore.Cli.Tests;

namespace PeftCore.Server.Tests;

/// <summary><c>peftcore serve</c> in this process, on a free port of the loopback address.</summary>
internal sealed class ServedTool : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly LineWriter _output = new(), _error = new();
    private readonly Task<int> _run;

    private ServedTool(string[] args)
    {
        _run = Task.Factory.StartNew(() => Tool.Run(args, new Terminal(_output, _error), _stop.Token), TaskCreationOptions.LongRunning);
        var listening = _output.Line("listening on ");
        Task.WaitAny(_run, listening);
        Assert.That(listening.IsCompleted, Is.True, () => _error.ToString());
        Url = new Uri(listening.Result["listening on ".Length..]);
        // A response that is not read to its end closes the connection, as that of a program that ends.
        Http = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = Url };
    }

    public Uri Url { get; }

    public HttpClient Http { get; }

    /// <summary>Lines of standard error so far.</summary>
    public string Log => _error.ToString();

    /// <summary>Lines of standard output so far.</summary>
    public string Output => _output.ToString();

    /// <summary>Serves the bundled LLaMA model.</summary>
    public static ServedTool Start(params string[] args) =>
        new(["serve", "--model", Bundled.BaseLlama, "--chat-template", "chatml", "--port", "0", "--threads", "1", .. args]);

    /// <summary>Serves another model.</summary>
    public static ServedTool StartModel(string model, params string[] args) =>
        new(["serve", "--model", model, "--port", "0", "--threads", "1", .. args]);

    /// <summary>Sends a JSON text.</summary>
    public Task<HttpResponseMessage> Post(string path, string json, CancellationToken cancel = default,
        HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead) => Http.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        }, completion, cancel);

    /// <summary>Sends a JSON text, and returns the answer's status and JSON.</summary>
    public async Task<(int Status, JsonElement Json)> Ask(string path, string json)
    {
        using var response = await Post(path, json);
        return ((int)response.StatusCode, Parsed(await response.Content.ReadAsStringAsync()));
    }

    /// <summary>The text of a completion of the given fields.</summary>
    public async Task<string> Complete(string model, string prompt, string fields)
    {
        var (status, json) = await Ask("/v1/completions",
            $$"""{"model": "{{model}}", "prompt": {{JsonSerializer.Serialize(prompt)}}, {{fields}}}""");
        Assert.That(status, Is.EqualTo(200), json.ToString());
        return json.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    /// <summary>A stream of which the first event has been read.</summary>
    public async Task<EventReader> Stream(string path, string json)
    {
        var response = await Post(path, json, completion: HttpCompletionOption.ResponseHeadersRead);
        Assert.That((int)response.StatusCode, Is.EqualTo(200));
        return await EventReader.Begin(response);
    }

    /// <summary>Completed when the log has a line with a text.</summary>
    public Task<string> Logged(string part) => _error.Line(part);

    public Task<int> Stop()
    {
        _stop.Cancel();
        return _run;
    }

    public void Dispose()
    {
        Stop().Wait();
        Http.Dispose();
        _stop.Dispose();
    }

    private static JsonElement Parsed(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
