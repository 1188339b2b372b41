using System.ClientModel;
using OpenAI;
using OpenAI.Chat;
using PeftCore.Cli.Tests;

namespace PeftCore.Server.Tests;

/// <summary>OpenAI's own client for .NET against the server.</summary>
public sealed class OpenAIClientTests
{
    private static readonly ChatCompletionOptions Greedy = new() { Temperature = 0, MaxOutputTokenCount = 12 };

    private TemporaryDirectory _directory = null!;
    private Reference _reference = null!;
    private ServedTool _served = null!;
    private OpenAIClient _client = null!;

    [OneTimeSetUp]
    public void Serve()
    {
        _directory = new TemporaryDirectory();
        _reference = new Reference(_directory.FullPath, "tenant-a", "tenant-b");
        _served = ServedTool.Start("--adapters-dir", _directory.FullPath, "--api-key", "secret");
        _client = new OpenAIClient(new ApiKeyCredential("secret"), new OpenAIClientOptions { Endpoint = new Uri(_served.Url, "/v1") });
    }

    [OneTimeTearDown]
    public void Stop()
    {
        _served.Dispose();
        _reference.Dispose();
        _directory.Dispose();
    }

    [TestCase("base-llama", null)]
    [TestCase("tenant-a", "tenant-a")]
    [TestCase("tenant-b", "tenant-b")]
    public async Task A_chat_is_answered_by_the_adapter_of_its_model_name(string model, string? adapter)
    {
        var answer = (await _client.GetChatClient(model).CompleteChatAsync([new UserChatMessage("Who are you?")], Greedy)).Value;

        Assert.That(answer.Content[0].Text, Is.EqualTo(Expected(adapter, "Who are you?")));
        Assert.That((answer.Role, answer.FinishReason, answer.Model),
            Is.EqualTo((ChatMessageRole.Assistant, ChatFinishReason.Length, model)));
        Assert.That((answer.Usage.InputTokenCount, answer.Usage.OutputTokenCount), Is.EqualTo((_prompt, 12)));
        Assert.That(answer.Id, Does.StartWith("chatcmpl-"));
    }

    [Test]
    public async Task A_streamed_chat_has_the_text_and_the_usage_of_a_whole_one()
    {
        string text = "";
        ChatTokenUsage? usage = null;
        ChatFinishReason? reason = null;
        await foreach (var update in _client.GetChatClient("tenant-a").CompleteChatStreamingAsync([new UserChatMessage("Who are you?")],
            Greedy))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            usage = update.Usage ?? usage;
            reason = update.FinishReason ?? reason;
        }

        Assert.That(text, Is.EqualTo(Expected("tenant-a", "Who are you?")));
        Assert.That((usage!.InputTokenCount, usage.OutputTokenCount, reason), Is.EqualTo((_prompt, 12, ChatFinishReason.Length)));
    }

    [Test]
    public async Task The_models_are_the_base_and_the_adapters()
    {
        var models = (await _client.GetOpenAIModelClient().GetModelsAsync()).Value;

        Assert.That(models.Select(model => model.Id), Is.EqualTo(new[] { "base-llama", "tenant-a", "tenant-b" }));
        Assert.That((await _client.GetOpenAIModelClient().GetModelAsync("tenant-b")).Value.OwnedBy, Is.EqualTo("peftcore"));
    }

    [Test]
    public async Task An_unknown_model_is_an_error_of_the_client()
    {
        var error = await Assert.ThrowsAsync<ClientResultException>(() =>
            _client.GetChatClient("tenant-c").CompleteChatAsync([new UserChatMessage("Hello")]));

        Assert.That((error!.Status, error.Message.Contains("model_not_found")), Is.EqualTo((404, true)));
    }

    private int _prompt;

    private string Expected(string? adapter, string question)
    {
        var template = Tokenizers.ChatTemplate.BuiltIn("chatml");
        string prompt = _reference.Tokenizer.RenderChat([new Tokenizers.ChatMessage("user", question)], addGenerationPrompt: true,
            template);
        _prompt = _reference.Tokenizer.Encode(prompt, addSpecialTokens: false).Ids.Length;
        return _reference.Text(adapter, prompt, 12);
    }
}
