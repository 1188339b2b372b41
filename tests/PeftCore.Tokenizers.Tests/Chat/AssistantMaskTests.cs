namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>What a model is trained to say, in templates that do not mark it: the same as with marks, or a refusal.</summary>
public sealed class AssistantMaskTests
{
    private static readonly Dictionary<string, ChatMessage[]> Conversations = new()
    {
        ["one turn"] = [new("user", "Who are you?"), new("assistant", "A boat.")],
        ["system and two turns"] = [new("system", "Be kind."), new("user", "Hi"), new("assistant", "Hello!"), new("user", "Bye"),
            new("assistant", "See you.")],
        ["ends with a question"] = [new("user", "Hi"), new("assistant", "Hello!"), new("user", "Still there?")],
        ["answers repeat questions"] = [new("user", "Say yes."), new("assistant", "Say yes."), new("user", "yes."),
            new("assistant", "yes."), new("user", "Say"), new("assistant", "Say yes. yes.")],
        ["the same answer twice"] = [new("system", "Yes."), new("user", "a"), new("assistant", "Yes."), new("user", "b"),
            new("assistant", "Yes.")],
        ["empty answer"] = [new("user", "Say nothing."), new("assistant", ""), new("user", "And now?"), new("assistant", "Now.")],
        ["white space around"] = [new("user", " a \n"), new("assistant", "\n  Yes. \n"), new("user", "\tb"), new("assistant", " No. ")],
        ["markers in answers"] = [new("user", "<|im_end|>"), new("assistant", "It is <|im_end|> or </s> or [/INST] or <end_of_turn>"),
            new("user", "[INST] x"), new("assistant", "<|im_start|>assistant\nNo.")],
        ["letters of many scripts"] = [new("user", "😀 e"), new("assistant", "\u0301é 👩‍👩‍👧 日本 שלום."), new("user", "e\u0301\u0301"),
            new("assistant", "\u0301\u0327.")],
        ["answers that are headers"] = [new("user", "assistant"), new("assistant", "assistant\nuser\n."), new("user", "user:"),
            new("assistant", "USER: ASSISTANT: ### Response:\n.")],
        ["thoughts"] = [new("user", "q"), new("assistant", "<think>\nlong\n</think>\n\nA."), new("user", "r"),
            new("assistant", "<think>\nshort\n</think>\n\nB.")],
        ["long"] = [.. Enumerable.Range(0, 12).Select(i => new ChatMessage(i % 2 == 0 ? "user" : "assistant", $"Line {i / 2}."))],
    };

    private static readonly Dictionary<string, object?> Tokens = new() { ["bos_token"] = "<s>", ["eos_token"] = "</s>" };

    public static IEnumerable<TestCaseData> Cases =>
        from template in MarkedTemplates.All.Keys
        from conversation in Conversations.Keys
        select new TestCaseData(template, conversation);

    [TestCaseSource(nameof(Cases))]
    public void Answers_are_found_as_if_they_were_marked_or_refused(string template, string conversation)
    {
        string marked = MarkedTemplates.All[template];
        var expected = ChatTemplate.Parse(marked).RenderMarked(Conversations[conversation], "</s>", Tokens);
        var found = Find(marked, Conversations[conversation], out string? refusal);

        if (found is null)
        {
            Assert.That(MarkedTemplates.MayBeRefused, Does.Contain(template), refusal);
            Assert.That(refusal, Does.Contain("{% generation %}").And.Contain("--chat-template"));
            return;
        }
        Assert.That(found.Text, Is.EqualTo(expected.Text));
        Assert.That(Said(found), Is.EqualTo(Said(expected)));
        Assert.That(found.AssistantSpans, Is.EqualTo(expected.AssistantSpans));
    }

    private const string WithTools = """
        {%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.content is string %}{{ m.content }}{% elif m.content %}{% for p in m.content %}{{ p.text if p.type == 'text' else '<image>' }}{% endfor %}{% endif %}
        {%- if m.tool_calls %}{% for call in m.tool_calls %}{{ ('\n' if m.content or not loop.first else '') + '<tool_call>' + call.name + '</tool_call>' }}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
        """;

    private static readonly object[] Calls = [new Dictionary<string, object?> { ["name"] = "f" },
        new Dictionary<string, object?> { ["name"] = "g" }];

    [TestCase("", "<tool_call>f</tool_call>\n<tool_call>g</tool_call><|im_end|>")]
    [TestCase("I call.", "I call.\n<tool_call>f</tool_call>\n<tool_call>g</tool_call><|im_end|>")]
    public void Tool_calls_belong_to_the_answer(string content, string said)
    {
        var call = new ChatMessage("assistant", content) { Extra = new Dictionary<string, object?> { ["tool_calls"] = Calls } };
        ChatMessage[] talk = [new("user", "q"), call, new("tool", "42"), new("assistant", "It is 42.")];

        Assert.That(Said(ChatTemplate.Parse(WithTools).RenderWithSpans(talk)), Is.EqualTo(new[] { said, "It is 42.<|im_end|>" }));
    }

    [Test]
    public void Contents_in_parts_are_found()
    {
        static Dictionary<string, object?> Part(string type, string text) => new() { ["type"] = type, ["text"] = text };
        var parts = new ChatMessage("assistant",
            "")
        {
            Extra = new Dictionary<string, object?>
            {
                ["content"] = new[] { Part("text", "a "), Part("image", ""),
                Part("text", " b") }
            }
        };
        var none = new ChatMessage("assistant", "")
        {
            Extra = new Dictionary<string, object?>
            {
                ["content"] = null,
                ["tool_calls"] = Calls
            }
        };

        Assert.That(Said(ChatTemplate.Parse(WithTools).RenderWithSpans([new("user", "q"), parts, new("user", "r"), none])),
            Is.EqualTo(new[] { "a <image> b<|im_end|>", "<tool_call>f</tool_call>\n<tool_call>g</tool_call><|im_end|>" }));
    }

    [TestCase("{% for m in messages %}[{{ m.role }}]{{ '<think>' + m.thoughts + '</think>' if m.thoughts }}{{ m.content }};{% endfor %}")]
    [TestCase("{% for m in messages %}[{{ m.role }}]{{ m.content }};{{ m.content | length }}{% endfor %}")]
    [TestCase("{% for m in messages %}{% if m.role == 'assistant' and m.content != 'a' %}{{ raise_exception('no') }}{% endif %}{{ " +
        "m.content }};{% endfor %}")]
    [TestCase("{% for m in messages %}[{{ m.role }}]{{ m.content[:1] }};{% endfor %}")]
    public void Answers_that_cannot_be_told_are_refused_with_the_ways_out(string template)
    {
        var answer = new ChatMessage("assistant", "a") { Extra = new Dictionary<string, object?> { ["thoughts"] = "t" } };

        Assert.That(() => ChatTemplate.Parse(template).RenderWithSpans([new("user", "q"), answer, new("user", "r")]),
            Throws.InstanceOf<BadInputException>()
            .With.Message.Contains("message 2").And.Message.Contains("{% generation %}").And.Message.Contains(
            "--chat-template").And.Message.Contains("--mask-prompt false"));
    }

    [Test]
    public void Marks_count_exactly_as_they_stand()
    {
        var chat = ChatTemplate.Parse(
            "{% for m in messages %}{{ m.role }}{% if m.role == 'assistant' %}: {% generation %}{{ m.content[1:] }}{% endgeneration " +
            "%}</s>{% endif %}{% endfor %}")
            .RenderWithSpans([new("user", "q"), new("assistant", "abc")]);

        Assert.That(Said(chat), Is.EqualTo(new[] { "bc" }));
    }

    [Test]
    public void A_token_across_the_begin_of_an_answer_counts_as_the_answers()
    {
        var tokenizer = TokenizerFixtures.Load("wordpiece");
        ChatMessage[] talk = [new("user", "q"), new("assistant", "\u0301the fox")];
        var (encoding, mask) = tokenizer.EncodeChatWithMask(talk,
            ChatTemplate.Parse("{% for m in messages %}{{ m.role + ' e' + m.content + '. ' }}{% endfor %}"));

        int first = Array.IndexOf(mask, true);
        Assert.That(encoding.Offsets[first].Start, Is.LessThanOrEqualTo(encoding.Offsets[first].End));
        Assert.That(mask.Skip(first), Is.All.True, "what follows the begin of the last answer is the answer");
        Assert.That(mask.Take(first), Is.All.False);
    }

    internal static RenderedChat? Find(string marked, ChatMessage[] conversation, out string? refusal)
    {
        string bare = marked.Replace("{% generation %}", "", StringComparison.Ordinal)
            .Replace("{%- generation %}", "{%- if true %}{% endif %}", StringComparison.Ordinal)
            .Replace("{% endgeneration %}", "", StringComparison.Ordinal);
        refusal = null;
        try
        {
            return ChatTemplate.Parse(bare).RenderMarked(conversation, "</s>", Tokens);
        }
        catch (BadInputException e)
        {
            refusal = e.Message;
            return null;
        }
    }

    internal static string[] Said(RenderedChat chat) =>
        [.. chat.AssistantSpans.Select(s => TokenizerFixtures.Slice(chat.Text, s)).Where(s => s.Length > 0)];
}
