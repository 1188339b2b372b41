using PeftCore.Data;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Data;

/// <summary>Conversations from files: every field of a row is passed to the chat template, is an error, or causes a warning.</summary>
public sealed class ChatRowTests
{
    private const string Talk = "{\"content\": \"q\", \"role\": \"user\"}, {\"role\": \"assistant\", \"content\": \"a\"}";

    [TestCase("\"tools\": [{\"name\": \"f\"}]", "{{ tools | tojson }}", "[{\"name\": \"f\"}]")]
    [TestCase("\"tools\": \"[{\\\"name\\\": \\\"f\\\"}]\"", "{{ tools[0].name }}", "f")]
    [TestCase("\"tools\": null", "{{ tools is none }}", "True")]
    [TestCase("\"documents\": [{\"title\": \"t\"}]", "{{ documents[0].title }}", "t")]
    [TestCase("\"chat_template_kwargs\": {\"enable_thinking\": false}", "{{ enable_thinking }}", "False")]
    [TestCase("\"task_id\": 3", "{{ messages | tojson }}",
        "[{\"content\": \"q\", \"role\": \"user\"}, {\"role\": \"assistant\", \"content\": \"a\"}]")]
    public void Fields_beside_the_messages_reach_the_template(string fields, string template, string expected) =>
        Assert.That(Text($"{{\"messages\": [{Talk}], {fields}}}", template), Is.EqualTo(expected));

    [TestCase("{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"arguments\": {\"x\": 1.0}}]}")]
    [TestCase("{\"role\": \"assistant\", \"tool_calls\": [{\"arguments\": \"{\\\"x\\\": 1}\"}]}")]
    [TestCase("{\"role\": \"assistant\", \"content\": \"a\", \"reasoning_content\": \"r\", \"name\": \"n\"}")]
    [TestCase("{\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}]}")]
    [TestCase("{\"role\": \"assistant\", \"content\": \"a\"}, {\"role\": \"tool\", \"tool_call_id\": \"1\", \"content\": \"x\"}")]
    public void Messages_reach_the_template_as_they_stand_in_the_row(string message) =>
        Assert.That(Text($"{{\"messages\": [{message}]}}", "{{ messages | tojson }}"), Is.EqualTo($"[{message}]"));

    [TestCase("\"tools\": {\"name\": \"f\"}", "\"tools\" is an object, expected a list of objects")]
    [TestCase("\"tools\": \"[\"", "\"tools\" is a string that is not valid JSON")]
    [TestCase("\"documents\": 3", "\"documents\" is 3, expected a list of objects")]
    [TestCase("\"chat_template_kwargs\": {\"tools\": []}", "names \"tools\", which the row gives the chat template itself")]
    [TestCase("\"tool\": []", "the field \"tool\" does not belong here")]
    public void Fields_of_another_form_are_refused(string fields, string problem) =>
        Assert.That(() => Text($"{{\"messages\": [{Talk}], {fields}}}", ""),
            Throws.InstanceOf<BadInputException>().With.Message.Contains(problem));

    [TestCase("{\"role\": \"assistant\", \"content\": 3}",
        "\"content\" of a turn in \"messages\" is 3, expected a string or a list of parts")]
    [TestCase("{\"role\": \"assistant\", \"content\": {\"text\": \"a\"}}", "\"content\" of a turn in \"messages\" is an object")]
    [TestCase("{\"role\": \"assistant\", \"content\": null}", "a turn in \"messages\" has no \"content\"")]
    [TestCase("{\"role\": 1, \"content\": \"a\"}", "\"role\" of a turn in \"messages\" is 1, expected a string")]
    [TestCase("{\"content\": \"a\"}", "a turn in \"messages\" has no \"role\"")]
    public void Messages_of_another_form_are_refused(string message, string problem) =>
        Assert.That(() => Text($"{{\"messages\": [{message}]}}", ""),
            Throws.InstanceOf<BadInputException>().With.Message.Contains(problem));

    [Test]
    public void What_the_template_pays_no_attention_to_is_said()
    {
        var encoder = Encode(
            """{"messages": [{"role": "assistant", "content": "a b c d", "thoughts": "t"}], "tools": [{"name": "f"}], "documents": []}""",
            "{{ messages[0].content }}", mask: false);

        Assert.That(encoder.Report.Warnings(99), Is.EqualTo(new[]
        {
            "In 1 of 1 rows the chat template pays no attention to \"thoughts\", so it is not in the text that is learned.",
            "In 1 of 1 rows the chat template pays no attention to \"tools\", so it is not in the text that is learned.",
        }));
    }

    [Test]
    public void A_template_that_hides_its_answers_is_refused_only_where_they_alone_are_learned()
    {
        const string Row = """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""";
        const string Hiding = "{{ messages[0].content }} {{ messages[1].content }} {{ messages[1].content }}";

        Assert.That(() => Encode(Row, Hiding, mask: true), Throws.InstanceOf<BadInputException>().With.Message.Contains("line 1")
            .And.Message.Contains("message 2").And.Message.Contains("--mask-prompt false"));
        Assert.That(Encode(Row, Hiding, mask: false).Report.TrainableTokens, Is.GreaterThan(0));
    }

    [Test]
    public void Texts_without_a_known_end_token_are_said_to_have_none()
    {
        var encoder = new ExampleEncoder(Tokenizer.FromDirectory(TestFiles.Fixture("tokenizers", "byte_bpe")),
            new EncodeOptions { MaxSeqLength = 99 });
        var example = encoder.Encode([new TextRow(new RowPlace("data", 1), "the fox")])[0];

        Assert.That(Tokenizer.FromDirectory(TestFiles.Fixture("tokenizers", "byte_bpe")).Decode(example.Ids, skipSpecialTokens: false)
            .Trim(), Is.EqualTo("the fox"));
        Assert.That(encoder.Report.Warnings(99), Has.One.Contains("No end-of-text token is known"));
    }

    private static string Text(string row, string template)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["a.jsonl"], row);
        var chat = (ChatRow)DataFiles.ReadFile(directory["a.jsonl"])[0];
        return ChatTemplate.Parse(template).Render(chat.Turns, extra: chat.Variables?.ToDictionary(v => v.Key, v => (object?)v.Value));
    }

    private static ExampleEncoder Encode(string row, string template, bool mask)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["a.jsonl"], row);
        var encoder = new ExampleEncoder(Tokenizer.FromDirectory(TestFiles.Fixture("tokenizers", "byte_bpe")), new EncodeOptions
        {
            MaxSeqLength = 99, MaskPrompt = mask,
            ChatTemplate = ChatTemplate.Parse(template)
        });
        encoder.Encode(DataFiles.ReadFile(directory["a.jsonl"]));
        return encoder;
    }
}
