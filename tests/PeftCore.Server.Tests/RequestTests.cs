using System.Text;
using System.Text.Json;
using PeftCore.Models.Generation;
using PeftCore.Cli.Tests;
using PeftCore.Server.Protocol;

namespace PeftCore.Server.Tests;

/// <summary>What the server says to a request that it cannot honour, and how it honours each field.</summary>
public sealed class RequestTests
{
    private const string Chat = "/v1/chat/completions", Text = "/v1/completions";

    private TemporaryDirectory _directory = null!;
    private Reference _reference = null!;
    private ServedTool _served = null!;

    [OneTimeSetUp]
    public void Serve()
    {
        _directory = new TemporaryDirectory();
        _reference = new Reference(_directory.FullPath, "poems");
        _served = ServedTool.Start("--adapter", $"poems={Path.Combine(_directory.FullPath, "poems")}", "--max-request-bytes", "20000");
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _served.Dispose();
        _reference.Dispose();
        _directory.Dispose();
    }

    [TestCase("""{"prompt": "a"}""", "model", "model is missing")]
    [TestCase("""{"model": "base-llama"}""", "prompt", "prompt is missing or empty")]
    [TestCase("""{"model": "base-llama", "prompt": []}""", "prompt", "prompt is missing or empty")]
    [TestCase("""{"model": "base-llama", "prompt": ["a", 3]}""", "prompt[1]", "prompt[1] is 3, expected a list")]
    [TestCase("""{"model": 7, "prompt": "a"}""", "model", "model is 7, expected a text")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "temperature": 3}""", "temperature", "temperature is 3, expected a number from 0 to 2")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "temperature": "1"}""", "temperature", "temperature is a text, expected a number")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "top_p": 0}""", "top_p", "top_p is 0, expected a number above 0")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "max_tokens": 0}""", "max_tokens", "max_tokens is 0, expected a whole number")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "max_tokens": 1.5}""", "max_tokens", "max_tokens is 1.5, expected a whole number")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "min_tokens": 17, "max_tokens": 16}""", "min_tokens", "above max_tokens")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "n": 0}""", "n", "n is 0, expected a whole number from 1 to 128")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "best_of": 3}""", "best_of", "texts are not ranked")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "stop": ["a", ""]}""", "stop", "an empty text")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "stop": ["a", "b", "c", "d", "e"]}""", "stop", "expected at most 4")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "stream": 1}""", "stream", "stream is 1, expected true or false")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "stream_options": {"include_usage": true}}""", "stream_options", "no meaning")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "stream": true, "stream_options": {"pace": 1}}""", "stream_options.pace", "not supported")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "suffix": "z"}""", "suffix", "suffix is not supported")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "presence_penalty": 0.5}""", "presence_penalty", "choose repetition_penalty")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "frequency_penalty": -1}""", "frequency_penalty", "choose repetition_penalty")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "logit_bias": {"5": 1}}""", "logit_bias", "logit_bias is not supported")]
    [TestCase("""{"model": "base-llama", "prompt": "a", "temprature": 1}""", "temprature", "did you mean temperature?")]
    [TestCase("""{"model": "base-llama", "prompt": "\ud800"}""", "prompt", "not valid Unicode")]
    [TestCase("""{"model": "base-llama", "prompt": [5000]}""", null, "the prompt holds token 5000")]
    [TestCase("""{"model": "base-llama", "prompt": ""}""", null, "the prompt has no tokens")]
    public Task A_bad_completion_request_is_refused_by_the_name_of_its_field(string json, string? param, string message) =>
        IsRefused(Text, json, param, message);

    [TestCase("""{"model": "base-llama"}""", "messages", "messages is missing or empty")]
    [TestCase("""{"model": "base-llama", "messages": "hello"}""", "messages", "messages is a text, expected a list")]
    [TestCase("""{"model": "base-llama", "messages": [{"content": "a"}]}""", "messages[0]", "messages[0] has no role")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user"}]}""", "messages[0]", "messages[0] has no content")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}""", "messages[0].content[0]",
        "not a part of type text")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": "a"}], "max_tokens": 3, "max_completion_tokens": 4}""",
        "max_completion_tokens", "they are one limit")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": "a"}], "logprobs": true}""", "logprobs", "not supported")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_object"}}""",
        "response_format", "not supported")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": "a"}], "reasoning_effort": "high"}""", "reasoning_effort",
        "not supported")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": "a"}], "store": true}""", "store", "not kept")]
    [TestCase("""{"model": "base-llama", "messages": [{"role": "user", "content": "a"}], "prompt": "a"}""", "prompt", "no field prompt")]
    public Task A_bad_chat_request_is_refused_by_the_name_of_its_field(string json, string? param, string message) =>
        IsRefused(Chat, json, param, message);

    [TestCase("{", "not valid JSON")]
    [TestCase("""{"model": "a", "model": "b"}""", "stands twice")]
    [TestCase("[]", "the body is a JSON list, expected an object")]
    [TestCase("", "not valid JSON")]
    public Task A_body_that_is_no_object_is_refused(string body, string message) => IsRefused(Text, body, null, message);

    [Test]
    public async Task A_field_that_is_null_counts_as_left_out()
    {
        string[] names = [.. CompletionRequest.Fields.Names.Except(["model", "prompt", "max_tokens", "temperature"])];
        string nulls = string.Join(", ", names.Select(name => $"\"{name}\": null"));

        Assert.That(await _served.Complete("base-llama", "The old man", $"\"max_tokens\": 5, \"temperature\": 0, {nulls}"),
            Is.EqualTo(_reference.Text(null, "The old man", 5)));
    }

    [Test]
    public async Task Another_content_type_is_refused_because_a_web_page_may_send_it_unasked()
    {
        using var response = await _served.Http.PostAsync(Text, new StringContent("""{"model": "base-llama", "prompt": "a"}""",
            Encoding.UTF8, "text/plain"));

        Assert.That(((int)response.StatusCode, await response.Content.ReadAsStringAsync()), Is.EqualTo((415,
            """{"error":{"message":"the body's Content-Type is "text/plain", expected application/json","type":"invalid_request_error","param":null,"code":null}}"""
                .Replace("\"text/plain\"", "\\\"text/plain\\\""))));
    }

    [Test]
    public async Task A_body_above_the_limit_is_refused()
    {
        var (status, json) = await _served.Ask(Text, $$"""{"model": "base-llama", "prompt": "{{new string('a', 20000)}}"}""");

        Assert.That((status, Message(json)), Is.EqualTo((413, "the request is larger than this server takes; shorten it")));
    }

    [TestCase("GET", Text, 405)]
    [TestCase("POST", "/v1/models", 405)]
    [TestCase("GET", "/v1/models/nobody", 404)]
    [TestCase("GET", "/v2/models", 404)]
    public async Task An_unknown_path_or_method_is_an_error_object(string method, string path, int status)
    {
        using var response = await _served.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());

        Assert.That((int)response.StatusCode, Is.EqualTo(status));
        Assert.That(Message(json.RootElement), Is.Not.Empty);
    }

    [Test]
    public async Task A_text_that_would_not_fit_the_context_is_refused_with_its_numbers()
    {
        var (status, json) = await _served.Ask(Text, """{"model": "base-llama", "prompt": "The old man", "max_tokens": 510}""");

        Assert.That((status, Code(json), Message(json)), Is.EqualTo((400, "context_length_exceeded", "the prompt has 3 tokens and at most " +
            "510 new ones are asked for, but prompt and answer together may have 512; shorten the prompt or lower max_tokens")));
    }

    [Test]
    public async Task A_chat_without_a_limit_may_fill_the_context()
    {
        var (_, json) = await _served.Ask(Chat, """
            {"model": "base-llama", "temperature": 0, "messages": [{"role": "user", "content": "Go on."}]}
            """);
        var usage = json.GetProperty("usage");

        Assert.That(usage.GetProperty("total_tokens").GetInt32(), Is.EqualTo(512).Or.LessThan(512));
        Assert.That(json.GetProperty("choices")[0].GetProperty("finish_reason").GetString(),
            Is.EqualTo(usage.GetProperty("total_tokens").GetInt32() == 512 ? "length" : "stop"));
    }

    [Test]
    public async Task Sampling_fields_give_the_text_of_the_same_options()
    {
        var options = new GenerationOptions
        {
            MaxNewTokens = 20, Temperature = 0.8f, TopP = 0.9f, TopK = 50, MinP = 0.01f, RepetitionPenalty = 1.1f, Seed = 7,
        };

        Assert.That(await _served.Complete("poems", "The old man", """
            "max_tokens": 20, "temperature": 0.8, "top_p": 0.9, "top_k": 50, "min_p": 0.01, "repetition_penalty": 1.1, "seed": 7
            """), Is.EqualTo(_reference.Sample("poems", "The old man", options)));
    }

    [Test]
    public async Task Each_of_n_texts_draws_from_a_seed_of_its_own()
    {
        var (_, json) = await _served.Ask(Text, """
            {"model": "base-llama", "prompt": ["The old man", "A dog"], "n": 2, "max_tokens": 12, "seed": 7, "echo": true}
            """);
        string[] texts = [.. json.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()!)];

        Assert.That(texts, Is.EqualTo(from prompt in new[] { "The old man", "A dog" }
                                      from seed in new ulong[] { 7, 8 }
                                      let options = new GenerationOptions { MaxNewTokens = 12, Temperature = 1, Seed = seed }
                                      select prompt + _reference.Sample(null, prompt, options)));
    }

    [Test]
    public async Task A_prompt_may_be_tokens()
    {
        string ids = string.Join(", ", _reference.Tokenizer.Encode("The old man").Ids.ToArray());
        var (_, json) = await _served.Ask(Text, $$"""{"model": "base-llama", "prompt": [{{ids}}], "max_tokens": 5, "temperature": 0, "echo": true}""");

        Assert.That(json.GetProperty("choices")[0].GetProperty("text").GetString(),
            Is.EqualTo("The old man" + _reference.Text(null, "The old man", 5)));
    }

    [Test]
    public async Task A_stop_text_ends_the_answer_before_it()
    {
        string whole = _reference.Text(null, "The old man", 20), stop = whole[5..8];
        var (_, json) = await _served.Ask(Text,
            $$"""{"model": "base-llama", "prompt": "The old man", "max_tokens": 20, "temperature": 0, "stop": "{{stop}}"}""");

        Assert.That(json.GetProperty("choices")[0].GetProperty("text").GetString(),
            Is.EqualTo(whole[..whole.IndexOf(stop, StringComparison.Ordinal)]));
        Assert.That(json.GetProperty("choices")[0].GetProperty("finish_reason").GetString(), Is.EqualTo("stop"));
    }

    [Test]
    public async Task A_stream_has_the_text_of_a_whole_answer()
    {
        using var stream = await _served.Stream(Text,
            """{"model": "poems", "prompt": "The old man", "max_tokens": 20, "temperature": 0, "stream": true, "echo": true}""");

        Assert.That(await stream.Text(), Is.EqualTo("The old man" + _reference.Text("poems", "The old man", 20)));
    }

    private async Task IsRefused(string path, string body, string? param, string message)
    {
        var (status, json) = await _served.Ask(path, body);

        Assert.That(status, Is.EqualTo(400), json.ToString());
        Assert.That(Message(json), Does.Contain(message));
        Assert.That(json.GetProperty("error").GetProperty("type").GetString(), Is.EqualTo("invalid_request_error"));
        Assert.That(json.GetProperty("error").GetProperty("param").GetString(), Is.EqualTo(param));
    }

    private static string Message(JsonElement json) => json.GetProperty("error").GetProperty("message").GetString()!;

    private static string? Code(JsonElement json) => json.GetProperty("error").GetProperty("code").GetString();
}
