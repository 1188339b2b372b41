using System.Text.Json;
using Microsoft.Extensions.AI;
using PeftCore.Extensions.AI.Chat;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI.Tests.Chat;

/// <summary>Options that are not supported are refused by a sentence that names them; those that ask for nothing pass.</summary>
public sealed class ChatOptionTests
{
    private static readonly ChatMessage[] Question = [new(ChatRole.User, "Hello")];

    private PeftCoreChatClient _client = null!;

    [OneTimeSetUp]
    public void Load() => _client = PeftCoreChatClient.Load(TestModels.Chat());

    [OneTimeTearDown]
    public void Free() => _client.Dispose();

    private static IEnumerable<TestCaseData> Unsupported() =>
    [
        Case(new ChatOptions { ConversationId = "1" }, "ConversationId"),
        Case(new ChatOptions { FrequencyPenalty = 1 }, "FrequencyPenalty"),
        Case(new ChatOptions { PresencePenalty = 1 }, "PresencePenalty"),
        Case(new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } }, "Reasoning"),
        Case(new ChatOptions { ResponseFormat = ChatResponseFormat.Json }, "ResponseFormat is JSON"),
        Case(new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonDocument.Parse("{}").RootElement) }, "JSON schema"),
        Case(new ChatOptions { ToolMode = ChatToolMode.RequireAny }, "ToolMode"),
        Case(new ChatOptions { Tools = [Weather()], AllowMultipleToolCalls = false }, "AllowMultipleToolCalls"),
        Case(new ChatOptions { Tools = [new HostedWebSearchTool()] }, "HostedWebSearchTool"),
        Case(new ChatOptions { Tools = [Weather()] }, "this format knows no tools"),
        Case(new ChatOptions { MaxOutputTokens = 0 }, "MaxOutputTokens"),
        Case(new ChatOptions { TopK = -1 }, "TopK"),
        Case(new ChatOptions { TopP = 2 }, "TopP"),
        Case(new ChatOptions { TopP = 0.5f }, "set Temperature"),
        Case(new ChatOptions { Temperature = -1 }, "temperature"),
        Case(new ChatOptions { StopSequences = [""] }, "stop string is empty"),
        Case(new ChatOptions { RawRepresentationFactory = _ => "text" }, "RawRepresentationFactory gives String"),
    ];

    [TestCaseSource(nameof(Unsupported))]
    public void It_is_refused_by_name(ChatOptions options, string name) =>
        Assert.That(async () => await _client.GetResponseAsync(Question, options),
            Throws.TypeOf<BadInputException>().With.Message.Contains(name));

    [Test]
    public void Tools_that_the_template_of_the_model_does_not_read_are_refused()
    {
        using var folder = new TemporaryDirectory();
        string directory = TestModels.Copy(TestModels.Llama, folder["model"]);
        var (path, json) = TestModels.TokenizerConfig("{{ messages[0].content }}");
        File.WriteAllText(Path.Combine(directory, path), json);
        using var client = PeftCoreChatClient.FromDirectory(directory);

        Assert.That(async () => await client.GetResponseAsync(Question, new ChatOptions { Tools = [Weather()] }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("does not read tools"));
    }

    [Test]
    public async Task Options_that_ask_for_nothing_pass()
    {
        var response = await _client.GetResponseAsync(Question, new ChatOptions
        {
            FrequencyPenalty = 0,
            PresencePenalty = 0,
            ResponseFormat = ChatResponseFormat.Text,
            ToolMode = ChatToolMode.None,
            Tools = [Weather()],
            TopP = 1,
            MaxOutputTokens = 2,
            AllowBackgroundResponses = false,
        });

        Assert.That(response.Text, Is.Not.Null);
    }

    [Test]
    public void Content_that_is_no_text_is_refused() => Assert.That(async () => await _client.GetResponseAsync(
        [new ChatMessage(ChatRole.User, [new DataContent("data:image/png;base64,AAAA")])]),
        Throws.TypeOf<BadInputException>().With.Message.Contains("DataContent"));

    [Test]
    public void No_messages_are_refused() => Assert.That(async () => await _client.GetResponseAsync(Array.Empty<ChatMessage>()),
        Throws.TypeOf<BadInputException>().With.Message.Contains("no messages"));

    [Test]
    public void Results_beside_other_content_are_refused() => Assert.That(
        () => ChatTurns.Of([new ChatMessage(ChatRole.User, [new TextContent("x"), new FunctionResultContent("1", "y")])], null),
        Throws.TypeOf<BadInputException>().With.Message.Contains("results of tools"));

    private static AIFunction Weather() => AIFunctionFactory.Create((string city) => city, "weather", "The weather in a city.");

    private static TestCaseData Case(ChatOptions options, string name) => new TestCaseData(options, name).SetArgDisplayNames(name);
}
