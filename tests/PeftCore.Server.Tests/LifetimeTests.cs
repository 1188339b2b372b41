using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text.Json;
using PeftCore.Cli;
using PeftCore.Cli.Tests;
using PeftCore.Cli.Tests.Verbs;

namespace PeftCore.Server.Tests;

/// <summary>Clients that go, signals to stop, and a server that is started again.</summary>
public sealed class LifetimeTests
{
    private const string Long = """{"model": "base-llama", "prompt": "The old man", "max_tokens": 500, "temperature": 0, "stream": true}""";
    private const string Short = """{"model": "base-llama", "prompt": "The old man", "max_tokens": 5, "temperature": 0}""";

    [Test]
    public async Task A_client_that_goes_ends_its_text()
    {
        using var served = ServedTool.Start("--max-concurrent", "1", "--max-queue", "0");
        var stream = await served.Stream("/v1/completions", Long);
        var logged = served.Logged(" 499 ");
        stream.Dispose();
        string line = await logged;

        Assert.That(line, Does.Contain("POST /v1/completions 499").And.Contain("the client has gone"));
        Assert.That(line, Does.Match("new=[1-9][0-9]* ").And.Not.Contain("new=500"));
        // Its place is free again.
        Assert.That((await served.Ask("/v1/completions", Short)).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task A_stop_lets_running_requests_end_and_takes_no_new_ones()
    {
        using var reference = new Reference("");
        var served = ServedTool.Start();
        using var stream = await served.Stream("/v1/completions", Long);
        var stopped = served.Stop();

        Assert.That(await stream.Text(), Is.EqualTo(reference.Text(null, "The old man", 500)));
        Assert.That(await stopped, Is.EqualTo(Tool.Failed));
        Assert.That(served.Output, Does.Contain("stopped after 1 requests, 0 of them refused or failed"));
        using var client = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri(served.Url, "/health")));
    }

    [Test]
    public async Task A_request_that_does_not_end_in_the_time_of_a_stop_is_cancelled()
    {
        var served = ServedTool.Start("--drain-timeout", "0");
        using var stream = await served.Stream("/v1/completions", Long);

        Assert.That(await served.Stop(), Is.EqualTo(Tool.Failed));
        Assert.That(served.Log, Does.Contain("POST /v1/completions 499"));
    }

    [Test]
    public async Task The_log_has_a_line_a_request_and_no_prompt()
    {
        using var served = ServedTool.Start();
        await served.Ask("/v1/completions", Short);
        await served.Ask("/v1/completions", """{"model": "nobody-knows", "prompt": "The old man"}""");
        await served.Http.GetAsync("/some/path?with=The+old+man");
        await served.Stop();

        string[] lines = [.. served.Log.Split('\n').Where(line => line.StartsWith("20", StringComparison.Ordinal))];
        Assert.That(lines, Has.Length.EqualTo(3));
        Assert.That(lines[0], Does.Match(@"^\d{4}-\d\d-\d\dT[\d:.]+Z POST /v1/completions 200 \d+\.\d{3} s model=base-llama prompt=3 new=5$"));
        Assert.That(served.Log, Does.Not.Contain("old man").And.Not.Contain("nobody-knows").And.Not.Contain("/some/path"));
    }

    [Test]
    public void A_port_that_is_taken_is_said_in_a_sentence()
    {
        using var served = ServedTool.Start();
        var run = Run("--port", $"{served.Url.Port}");

        Assert.That((run.Code, run.Error), Is.EqualTo((2, run.Error)));
        Assert.That(run.Error, Does.Contain($"--port {served.Url.Port} cannot be listened on").And.Contain("choose another port"));
    }

    [TestCase("expected an IP address", "--host", "here")]
    [TestCase("--port is 70000", "--port", "70000")]
    [TestCase("expected NAME=DIR", "--adapter", "somewhere")]
    [TestCase("names a twice", "--adapter", "a=x", "--adapter", "a=y")]
    [TestCase("has no adapter_config.json", "--adapter", "a=/nowhere")]
    [TestCase("cannot be the name of an adapter", "--adapter", "a/b=/nowhere")]
    [TestCase("there is no directory", "--adapters-dir", "/nowhere")]
    [TestCase("is no key", "--api-key", "two words")]
    [TestCase("--max-concurrent is \"0\"", "--max-concurrent", "0")]
    public void A_flag_that_cannot_be_served_is_refused_at_the_start(string message, params string[] flags)
    {
        var run = Run(flags);

        Assert.That(run.Code, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain(message));
    }

    [Test]
    public void A_model_that_reads_no_text_is_refused()
    {
        var run = RunModel(Path.Combine(Repository.Root, "src", "PeftCore.Cli", "Demo", "base-vit"));

        Assert.That((run.Code, run.Error.Contains("choose a model of text")), Is.EqualTo((2, true)), run.Error);
    }

    [TestCase("INT", 130)]
    [TestCase("TERM", 143)]
    [Platform(Exclude = "Win", Reason = "Windows has no kill command")]
    public async Task A_signal_lets_the_running_request_end_and_gives_its_exit_code(string signal, int code)
    {
        using var server = await ServerProcess.Start("0");
        using var stream = await EventReader.Begin(await server.Post(Long));
        Process.Start("kill", ["-" + signal, $"{server.Process.Id}"])!.WaitForExit();

        Assert.That((await stream.Rest())[^1], Is.EqualTo("[DONE]"));
        await server.Process.WaitForExitAsync();
        Assert.That(server.Process.ExitCode, Is.EqualTo(code));
    }

    [Test]
    public async Task A_server_that_is_killed_serves_again_on_its_port_with_the_same_answers()
    {
        string before, port;
        using (var server = await ServerProcess.Start("0"))
        {
            port = $"{server.Url.Port}";
            before = await Answer(server);
            using var running = await EventReader.Begin(await server.Post(Long));
            server.Process.Kill();
            await server.Process.WaitForExitAsync();
        }
        using var again = await ServerProcess.Start(port);
        Assert.That(await Answer(again), Is.EqualTo(before));
    }

    private static async Task<string> Answer(ServerProcess server)
    {
        using var response = await server.Post(Short);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("choices")[0].ToString();
    }

    private static (int Code, string Error) Run(params string[] flags) => RunModel(Bundled.BaseLlama, flags);

    private static (int Code, string Error) RunModel(string model, params string[] flags)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = Tool.Run(["serve", "--model", model, .. flags], new Cli.Output.Terminal(output, error), new CancellationToken(true));
        return (code, error.ToString());
    }

    /// <summary>The server as a process of its own.</summary>
    private sealed class ServerProcess : IDisposable
    {
        private readonly HttpClient _http = new();

        public required Process Process { get; init; }

        public required Uri Url { get; init; }

        public static async Task<ServerProcess> Start(string port)
        {
            var listening = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            // With --json, lines for people go to standard error.
            var process = ToolProcess.Start(line =>
            {
                if (line.StartsWith("listening on ", StringComparison.Ordinal))
                {
                    listening.SetResult(line["listening on ".Length..]);
                }
            }, "serve", "--model", Bundled.BaseLlama, "--port", port, "--threads", "1", "--json");
            return new ServerProcess { Process = process, Url = new Uri(await listening.Task) };
        }

        public Task<HttpResponseMessage> Post(string json) => _http.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, new Uri(Url, "/v1/completions"))
            {
                Content = new StringContent(json, new MediaTypeHeaderValue("application/json")),
            }, HttpCompletionOption.ResponseHeadersRead);

        public void Dispose()
        {
            if (!Process.HasExited)
            {
                Process.Kill();
                Process.WaitForExit();
            }
            Process.Dispose();
            _http.Dispose();
        }
    }
}
