namespace PeftCore.Tokenizers.Tests.Chat;

public sealed class BuiltInTemplateTests
{
    private static readonly ChatMessage[] Talk =
    [
        new("system", "Be kind."), new("user", "Hi"), new("assistant", "Hello!"), new("user", "Bye"), new("assistant", "See you."),
    ];

    private static readonly Dictionary<string, string> Expected = new()
    {
        ["chatml"] = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
            + "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\nSee you.<|im_end|>\n",
        ["llama2"] = "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Bye [/INST] See you. </s>",
        ["llama3"] =
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\nSee you.<|eot_id|>",
        ["mistral"] = "<s>[INST] Be kind.\n\nHi [/INST] Hello!</s>[INST] Bye [/INST] See you.</s>",
        ["gemma"] = "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n<start_of_turn>user\n" +
        "Bye<end_of_turn>\n"
            + "<start_of_turn>model\nSee you.<end_of_turn>\n",
        ["phi3"] = "<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\nBye<|end|>\n<|assistant|>\n" +
        "See you.<|end|>\n</s>",
        ["zephyr"] =
        "<|system|>\nBe kind.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello!</s>\n<|user|>\nBye</s>\n<|assistant|>\nSee you.</s>\n",
        ["alpaca"] =
        "Be kind.\n\n### Instruction:\nHi\n\n### Response:\nHello!</s>\n\n### Instruction:\nBye\n\n### Response:\nSee you.</s>",
    };

    private static readonly Dictionary<string, string> Prompts = new()
    {
        ["chatml"] = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        ["llama2"] = "<s>[INST] Hi [/INST]",
        ["llama3"] = "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ["mistral"] = "<s>[INST] Hi [/INST]",
        ["gemma"] = "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
        ["phi3"] = "<|user|>\nHi<|end|>\n<|assistant|>\n",
        ["zephyr"] = "<|user|>\nHi</s>\n<|assistant|>\n",
        ["alpaca"] = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
            + "### Instruction:\nHi\n\n### Response:\n",
    };

    public static IEnumerable<string> Names => ChatTemplate.BuiltInNames;

    [TestCaseSource(nameof(Names))]
    public void A_conversation_is_written_in_the_format_of_the_family(string name) =>
        Assert.That(ChatTemplate.BuiltIn(name).Render(For(name), bosToken: "<s>", eosToken: "</s>"), Is.EqualTo(Expected[name]));

    [TestCaseSource(nameof(Names))]
    public void A_prompt_ends_where_the_assistant_begins(string name) =>
        Assert.That(ChatTemplate.BuiltIn(name).Render([new("user", "Hi")], true, "<s>", "</s>"), Is.EqualTo(Prompts[name]));

    [TestCaseSource(nameof(Names))]
    public void The_marked_spans_are_the_answers_with_their_ends(string name)
    {
        var rendered = ChatTemplate.BuiltIn(name).RenderWithSpans(For(name), "<s>", "</s>");
        string[] spans = rendered.AssistantSpans.Select(s => rendered.Text[s.Start..s.End]).ToArray();
        string end = name switch
        {
            "chatml" => "<|im_end|>",
            "llama2" => " </s>",
            "llama3" => "<|eot_id|>",
            "gemma" => "<end_of_turn>",
            "phi3" => "<|end|>",
            _ => "</s>"
        };

        Assert.That(spans.Select(s => s.TrimStart()), Is.EqualTo(new[] { "Hello!" + end, "See you." + end }));
    }

    [TestCaseSource(nameof(Names))]
    public void Comparison_finds_the_same_answers_as_the_marks(string name)
    {
        var marked = ChatTemplate.BuiltIn(name);
        var bare = ChatTemplate.Parse(marked.Source.Replace("{% generation %}", "", StringComparison.Ordinal)
            .Replace("{% endgeneration %}", "", StringComparison.Ordinal));
        ChatMessage[] talk = [.. For(name), new("user", "Still there?")];
        var (left, right) = (marked.RenderWithSpans(talk, "<s>", "</s>"), bare.RenderWithSpans(talk, "<s>", "</s>"));

        Assert.That(right.Text, Is.EqualTo(left.Text));
        Assert.That(right.AssistantSpans.Select(s => right.Text[s.Start..s.End]),
            Is.EqualTo(left.AssistantSpans.Select(s => left.Text[s.Start..s.End].TrimStart())));
    }

    [TestCase("llama2")]
    [TestCase("mistral")]
    [TestCase("gemma")]
    public void Formats_of_strict_turns_refuse_others(string name) =>
        Assert.That(() => ChatTemplate.BuiltIn(name).Render([new("user", "a"), new("user", "b")]),
            Throws.InstanceOf<BadInputException>().With.Message.Contains("alternate"));

    [Test]
    public void An_unknown_name_is_answered_with_the_known_ones() =>
        Assert.That(() => ChatTemplate.BuiltIn("klingon"), Throws.InstanceOf<BadInputException>().With.Message.Contains("chatml"));

    // Gemma has no system role.
    private static ChatMessage[] For(string name) => name == "gemma" ? Talk[1..] : Talk;
}
