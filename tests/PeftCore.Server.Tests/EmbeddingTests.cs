using System.ClientModel;
using System.Runtime.InteropServices;
using System.Text.Json;
using OpenAI;
using OpenAI.Embeddings;
using PeftCore.Backends;
using PeftCore.Cli.Tests;
using PeftCore.Extensions.AI;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Server.Tests;

/// <summary>/v1/embeddings with an encoder and with a decoder.</summary>
public sealed class EmbeddingTests
{
    private static readonly string[] Texts = ["a gripping film", "dull and far too long, with nothing to say"];

    private TemporaryDirectory _directory = null!;
    private ServedTool _served = null!;
    private EmbeddingClient _base = null!, _adapted = null!;

    [OneTimeSetUp]
    public void Serve()
    {
        _directory = new TemporaryDirectory();
        using (var backend = new CpuBackend(1))
        using (var model = ModelLoader.Load(Bundled.BaseBert, backend, task: new TaskOptions { Task = ModelTask.FeatureExtraction }))
        {
            var peft = new PeftModel(model);
            peft.AddAdapter(new LoraConfig { Rank = 4, Alpha = 32, Init = LoraInit.Random }, "films", seed: 1);
            peft.Save(_directory.FullPath, "films");
        }
        _served = ServedTool.StartModel(Bundled.BaseBert, "--adapters-dir", _directory.FullPath);
        var client = new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri(_served.Url, "/v1") });
        (_base, _adapted) = (client.GetEmbeddingClient("base-bert"), client.GetEmbeddingClient("films"));
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _served.Dispose();
        _directory.Dispose();
    }

    [Test]
    public async Task The_vectors_are_those_of_the_library_with_the_adapter_of_the_model_name()
    {
        var options = new PeftCoreEmbeddingOptions { ModelDirectory = Bundled.BaseBert, Threads = 1 };
        options.Adapters.Add("films", Path.Combine(_directory.FullPath, "films"));
        using var library = PeftCoreEmbeddingGenerator.Load(options);

        foreach (var (client, name) in new[] { (_base, "base-bert"), (_adapted, "films"), (_base, "base-bert") })
        {
            var seen = (await client.GenerateEmbeddingsAsync(Texts)).Value;
            var expected = await library.GenerateAsync(Texts, new() { ModelId = name });
            Assert.That(seen.Select(vector => vector.ToFloats().ToArray()),
                Is.EqualTo(expected.Select(vector => vector.Vector.ToArray())), name);
            Assert.That(seen.Usage.InputTokenCount, Is.EqualTo(expected.Usage!.InputTokenCount));
        }
    }

    [Test]
    public async Task Numbers_and_base64_are_the_same_vector()
    {
        float[] numbers = [.. (await Vector("float")).EnumerateArray().Select(value => value.GetSingle())];
        byte[] bytes = (await Vector("base64")).GetBytesFromBase64();

        Assert.That(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), Is.EqualTo(numbers));
        Assert.That(numbers, Has.Length.GreaterThan(1).And.Some.Not.Zero);
    }

    [TestCase("""{"model": "base-bert"}""", "input is missing or empty")]
    [TestCase("""{"model": "base-bert", "input": []}""", "input is missing or empty")]
    [TestCase("""{"model": "base-bert", "input": [[1, 2]]}""", "input[0] is a list, expected a text: tokens are not read")]
    [TestCase("""{"model": "base-bert", "input": "a", "encoding_format": "hex"}""", "encoding_format is unknown, expected float or base64")]
    [TestCase("""{"model": "base-bert", "input": "a", "dimensions": 8}""", "dimensions is 8, but the vectors of this model have ")]
    [TestCase("""{"model": "base-bert", "input": "a", "stream": true}""", "there is no field stream")]
    public async Task A_bad_request_is_refused_by_the_name_of_its_field(string json, string message)
    {
        var (status, answer) = await _served.Ask("/v1/embeddings", json);

        Assert.That((status, answer.ToString()), Is.EqualTo((400, answer.ToString())));
        Assert.That(answer.GetProperty("error").GetProperty("message").GetString(), Does.Contain(message));
    }

    [Test]
    public async Task A_text_that_is_too_long_is_refused_with_its_number()
    {
        var (status, answer) = await _served.Ask("/v1/embeddings",
            $$"""{"model": "base-bert", "input": ["a", "{{string.Concat(Enumerable.Repeat("film ", 2000))}}"]}""");

        Assert.That(status, Is.EqualTo(400));
        Assert.That(answer.GetProperty("error").GetProperty("message").GetString(),
            Does.StartWith("text 1 has 6002 tokens, but the model reads 256; shorten it"));
    }

    [Test]
    public async Task An_encoder_writes_no_text()
    {
        var (status, answer) = await _served.Ask("/v1/completions", """{"model": "base-bert", "prompt": "a"}""");

        Assert.That((status, answer.GetProperty("error").GetProperty("message").GetString()),
            Is.EqualTo((400, "the model base-bert writes no text; use /v1/embeddings")));
    }

    [Test]
    public async Task A_decoder_embeds_and_writes_at_once()
    {
        using var served = ServedTool.Start();
        using var running = await served.Stream("/v1/completions",
            """{"model": "base-llama", "prompt": "The old man", "max_tokens": 100, "temperature": 0, "stream": true}""");
        var (status, answer) = await served.Ask("/v1/embeddings", """{"model": "base-llama", "input": ["The old man", "A dog"]}""");
        using var library = PeftCoreEmbeddingGenerator.FromDirectory(Bundled.BaseLlama);
        var expected = await library.GenerateAsync(["The old man", "A dog"]);

        Assert.That(status, Is.EqualTo(200));
        Assert.That(answer.GetProperty("data").EnumerateArray().Select(each => each.GetProperty("embedding").EnumerateArray()
            .Select(value => value.GetSingle()).ToArray()), Is.EqualTo(expected.Select(vector => vector.Vector.ToArray())));
        await running.Text();
    }

    private async Task<JsonElement> Vector(string format)
    {
        var (_, answer) = await _served.Ask("/v1/embeddings", $$"""{"model": "films", "input": "a film", "encoding_format": "{{format}}"}""");
        return answer.GetProperty("data")[0].GetProperty("embedding");
    }
}
