using System.Net.Http.Headers;
using System.Text.Json;

namespace PeftCore.Server.Tests;

/// <summary>API key, queue, time and context limits.</summary>
public sealed class LimitTests
{
    private const string Long = """{"model": "base-llama", "prompt": "The old man", "max_tokens": 500, "temperature": 0, "stream": true}""";
    private const string Short = """{"model": "base-llama", "prompt": "The old man", "max_tokens": 2, "temperature": 0}""";

    [Test]
    public async Task Without_the_key_only_the_health_is_told()
    {
        using var served = ServedTool.Start("--api-key", "secret-1");

        Assert.That((await served.Http.GetAsync("/health")).IsSuccessStatusCode, Is.True);
        foreach (string? given in new[] { null, "secret-2", "secret-1 ", "secret", "" })
        {
            served.Http.DefaultRequestHeaders.Authorization = given is null ? null : new AuthenticationHeaderValue("Bearer", given);
            using var refused = await served.Post("/v1/completions", Short);
            string body = await refused.Content.ReadAsStringAsync();
            bool isTrimmed = given?.Trim() == "secret-1";
            Assert.That((int)refused.StatusCode, Is.EqualTo(isTrimmed ? 200 : 401), $"key \"{given}\"");
            Assert.That(body, isTrimmed ? Does.Contain("choices") : Does.Contain("invalid_api_key").And.Not.Contain("secret-1"));
            Assert.That(refused.Headers.WwwAuthenticate.ToString(), Is.EqualTo(isTrimmed ? "" : "Bearer"));
        }
        served.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", "secret-1");
        Assert.That((int)(await served.Post("/v1/completions", Short)).StatusCode, Is.EqualTo(401));
    }

    [Test]
    public async Task More_texts_than_there_is_room_for_are_answered_with_429_and_a_time_to_wait()
    {
        using var served = ServedTool.Start("--max-concurrent", "1", "--max-queue", "0");
        using var running = await served.Stream("/v1/completions", Long);

        using var refused = await served.Post("/v1/completions", Short);
        var error = JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("error");

        Assert.That((int)refused.StatusCode, Is.EqualTo(429));
        Assert.That(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, Is.InRange(1, 60));
        Assert.That((error.GetProperty("type").GetString(), error.GetProperty("code").GetString()),
            Is.EqualTo(("rate_limit_error", "queue_full")));
        await running.Rest();
        Assert.That((int)(await served.Post("/v1/completions", Short)).StatusCode, Is.EqualTo(200));
    }

    [Test]
    public async Task A_request_for_more_texts_than_there_can_be_room_for_is_refused_for_good()
    {
        using var served = ServedTool.Start("--max-concurrent", "1", "--max-queue", "2");
        var (status, json) = await served.Ask("/v1/completions", """{"model": "base-llama", "prompt": ["a", "b"], "n": 2}""");

        Assert.That((status, json.ToString()), Is.EqualTo((400, json.ToString())));
        Assert.That(json.ToString(), Does.Contain("the request is for 4 texts, but this server takes at most 3 at once"));
    }

    [Test]
    public async Task A_waiting_text_is_generated_when_the_running_one_has_ended()
    {
        using var served = ServedTool.Start("--max-concurrent", "1", "--max-queue", "3");
        using var running = await served.Stream("/v1/completions", Long);
        var waiting = Enumerable.Range(0, 3).Select(_ => served.Ask("/v1/completions", Short)).ToArray();

        await running.Rest();
        foreach (var (status, _) in await Task.WhenAll(waiting))
        {
            Assert.That(status, Is.EqualTo(200));
        }
    }

    [Test]
    public async Task A_request_whose_time_is_over_ends_with_an_error_before_or_within_its_stream()
    {
        using var served = ServedTool.Start("--timeout", "0.05");
        var (status, json) = await served.Ask("/v1/completions", Long.Replace(", \"stream\": true", ""));

        Assert.That((status, json.ToString()), Is.EqualTo((504,
            """{"error":{"message":"the request was not answered within 0.05 s; ask for fewer tokens, or start the server with a longer --timeout","type":"server_error","param":null,"code":"timeout"}}""")));
        using var stream = await served.Post("/v1/completions", Long);
        Assert.That(await stream.Content.ReadAsStringAsync(), Does.Contain("\"code\":\"timeout\"").And.Not.Contain("[DONE]"));
    }

    [Test]
    public async Task The_context_can_be_limited_below_the_models()
    {
        using var served = ServedTool.Start("--max-context", "10");
        var (status, json) = await served.Ask("/v1/completions", """{"model": "base-llama", "prompt": "The old man", "max_tokens": 8}""");

        Assert.That((status, json.ToString()), Is.EqualTo((400, json.ToString())));
        Assert.That(json.ToString(), Does.Contain("together may have 10"));
        Assert.That((await served.Ask("/v1/completions", """{"model": "base-llama", "prompt": "The old man", "max_tokens": 7}""")).Status,
            Is.EqualTo(200));
    }
}
