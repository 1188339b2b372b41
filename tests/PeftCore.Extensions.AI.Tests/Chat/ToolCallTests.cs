using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using PeftCore.Backends;
using PeftCore.Extensions.AI.Chat;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI.Tests.Chat;

/// <summary>Tool calls in the forms of known templates, streamed in pieces of every size; and tools as templates read them.</summary>
public sealed class ToolCallTests
{
    private static readonly AIFunction Weather = AIFunctionFactory.Create((string city, int days) => $"{city} {days}", "weather",
        "The weather in a city.");

    private static readonly (string Template, string Answer, string Text)[] Forms =
    [
        ("<tool_call>",
            "Wait.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 3}}\n</tool_call>", "Wait."),
        ("<tool_call> <function=",
            "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>"
            + "\n</function>\n</tool_call>", ""),
        ("[TOOL_CALLS]", "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 3}}]", ""),
        ("[TOOL_CALLS] [ARGS]", "[TOOL_CALLS]weather[ARGS]{\"city\": \"Paris\", \"days\": 3}", ""),
        ("<|tool_call|>",
            "Well <|tool_call|>[{\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"Paris\\\", \\\"days\\\": 3}\"}]", "Well"),
        ("<|python_tag|>", "{\"name\": \"weather\", \"parameters\": {\"city\": \"Paris\", \"days\": 3}}", ""),
        ("<|python_tag|>", "<|python_tag|>{\"name\": \"weather\", \"parameters\": {\"city\": \"Paris\", \"days\": 3}}", ""),
    ];

    private static IEnumerable<TestCaseData> Pieces() =>
        from form in Forms
        from size in new[] { 1, 2, 7, 1000 }
        select new TestCaseData(form.Template, form.Answer, form.Text, size).SetArgDisplayNames(form.Template, $"{size}");

    [TestCaseSource(nameof(Pieces))]
    public void A_call_is_read_and_the_text_before_it_stays(string template, string answer, string text, int size)
    {
        var (contents, reader) = Read(template, answer, size);

        var call = contents.OfType<FunctionCallContent>().Single();
        Assert.That(call.Name, Is.EqualTo("weather"));
        Assert.That(call.CallId, Has.Length.EqualTo(9));
        Assert.That(call.Arguments!["city"]!.ToString(), Is.EqualTo("Paris"));
        Assert.That(((JsonElement)call.Arguments["days"]!).GetInt32(), Is.EqualTo(3));
        Assert.That(TextOf(contents), Is.EqualTo(text));
        Assert.That((reader.HasCalls, reader.HasBadCall), Is.EqualTo((true, false)));
    }

    [TestCase(1)]
    [TestCase(1000)]
    public void Several_calls_are_read_in_their_order(int size)
    {
        const string answer = "<tool_call>{\"name\": \"a\"}</tool_call>\n<tool_call>{\"name\": \"b\", \"arguments\": {}}</tool_call>";

        var contents = Read("<tool_call>", answer, size).Contents;

        Assert.That(contents.OfType<FunctionCallContent>().Select(call => call.Name), Is.EqualTo(new[] { "a", "b" }));
        Assert.That(TextOf(contents), Is.Empty);
    }

    [TestCase("<tool_call>", "<tool_call>{\"name\": \"weather\", \"argum")]
    [TestCase("<tool_call>", "so <tool_call>none</tool_call> it ends")]
    [TestCase("[TOOL_CALLS] [ARGS]", "[TOOL_CALLS]weather{}")]
    [TestCase("<tool_call> <function=", "<tool_call>weather</tool_call>")]
    public void What_is_no_call_stays_as_text(string template, string answer)
    {
        foreach (int size in new[] { 1, 3, 1000 })
        {
            var (contents, reader) = Read(template, answer, size);

            Assert.That(TextOf(contents).Replace(" ", ""), Is.EqualTo(answer.Replace(" ", "")));
            Assert.That((reader.HasCalls, reader.HasBadCall), Is.EqualTo((false, true)));
        }
    }

    [TestCase("<tool_call>", "No <tool is needed.  \n")]
    [TestCase("<|python_tag|>", "It rains { often }.")]
    [TestCase("<|python_tag|>", "{ is no call")]
    [TestCase("[TOOL_CALLS]", " [TOOL_CALL")]
    public void An_answer_without_a_call_is_its_text(string template, string answer)
    {
        foreach (int size in new[] { 1, 3, 1000 })
        {
            var (contents, reader) = Read(template, answer, size);

            Assert.That(TextOf(contents), Is.EqualTo(answer));
            Assert.That(reader.HasCalls, Is.False);
        }
    }

    [TestCase("{{ messages }}")]
    [TestCase("<tool_call> <arg_key>")]
    public void A_template_of_an_unknown_form_has_no_format(string template) => Assert.That(ToolCallFormat.Of(template), Is.Null);

    [Test]
    public void Tools_calls_and_results_are_given_to_the_template_as_transformers_gives_them()
    {
        const string template = """
            {%- for t in tools %}{{ t | tojson + '\n' }}{% endfor %}
            {% for m in messages %}{{ m.role }}: {{ m.content }}
            {%- for c in m.tool_calls or [] %}{{ c.id }} {{ c.function.name }} {{ c.function.arguments | tojson }}{% endfor %}
            {% if m.tool_call_id %} ({{ m.tool_call_id }}){% endif %}{{ '\n' }}{% endfor %}
            """;
        ChatMessage[] messages =
        [
            new(ChatRole.User, "Rain?"),
            new(ChatRole.Assistant,
                [new FunctionCallContent("c1", "weather", new Dictionary<string, object?> { ["city"] = "Paris", ["days"] = 3 })]),
            new(ChatRole.Tool, [new FunctionResultContent("c1", new Dictionary<string, object?> { ["rain"] = true })]),
        ];

        string text = ChatTemplate.Parse(template).Render(ChatTurns.Of(messages, "Be brief."),
            extra: ToolSchemas.VariablesOf(null, [Weather.AsDeclarationOnly()]));

        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var schema = JsonDocument.Parse(lines[0]).RootElement.GetProperty("function");
        Assert.That(schema.GetProperty("name").GetString(), Is.EqualTo("weather"));
        Assert.That(schema.GetProperty("description").GetString(), Is.EqualTo("The weather in a city."));
        Assert.That(schema.GetProperty("parameters").GetProperty("properties").GetProperty("days").GetProperty("type").GetString(),
            Is.EqualTo("integer"));
        Assert.That(lines[1..], Is.EqualTo(new[]
        {
            "system: Be brief.", "user: Rain?", "assistant: c1 weather {\"city\": \"Paris\", \"days\": 3}", "tool: {\"rain\":true} (c1)",
        }));
    }

    [Test]
    public void A_marker_that_is_a_special_token_is_seen_although_it_has_no_text()
    {
        using var folder = new TemporaryDirectory();
        string path = folder["tokenizer.json"];
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(TestModels.Llama, "tokenizer.json")))!;
        var marker = json["added_tokens"]![0]!.DeepClone();
        (marker["id"], marker["content"]) = (4096, "[TOOL_CALLS]");
        json["added_tokens"]!.AsArray().Add(marker);
        File.WriteAllText(path, json.ToJsonString());
        using var backend = new CpuBackend(threads: 1);
        using var model = ModelLoader.Load(TestModels.Llama, backend);
        var result = new Generator(model, backend).Generate([5], new GenerationOptions { MaxNewTokens = 1 });
        var request = new ChatRequest([1, 2, 3], new GenerationOptions(), [Weather.AsDeclarationOnly()], ToolCallFormat.Of("[TOOL_CALLS]"));
        var answer = new ChatAnswer(request, Tokenizer.FromFile(path), "m");

        var before = answer.Add(new RequestUpdate(7, "So ", null));
        var held = answer.Add(new RequestUpdate(4096, "", null)) ?? answer.Add(new RequestUpdate(8, "[{\"name\": \"weather\"}]", null));
        var last = answer.End(result);

        Assert.That((before!.Text, held), Is.EqualTo(("So", (ChatResponseUpdate?)null)));
        Assert.That(last.Contents.OfType<FunctionCallContent>().Single().Name, Is.EqualTo("weather"));
        Assert.That(last.FinishReason, Is.EqualTo(ChatFinishReason.ToolCalls));
        Assert.That(last.Contents.OfType<UsageContent>().Single().Details.TotalTokenCount, Is.EqualTo(4));
    }

    [Test]
    public void Tools_given_twice_are_refused() => Assert.That(
        () => ToolSchemas.VariablesOf(new() { ["tools"] = 1 }, [Weather.AsDeclarationOnly()]),
        Throws.TypeOf<BadInputException>().With.Message.Contains("AdditionalProperties"));

    private static (List<AIContent> Contents, ToolCallReader Reader) Read(string template, string answer, int size)
    {
        var reader = new ToolCallReader(ToolCallFormat.Of(template)!, [Weather.AsDeclarationOnly()]);
        List<AIContent> contents = [.. answer.Chunk(size).SelectMany(piece => reader.Append(new string(piece)))];
        contents.AddRange(reader.Finish());
        return (contents, reader);
    }

    private static string TextOf(IEnumerable<AIContent> contents) => string.Concat(contents.OfType<TextContent>().Select(c => c.Text));
}
