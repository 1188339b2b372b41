namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>Templates put together by chance from headers, end markers, separators and filters, each with marks around what a model has to
/// write, against the same templates without marks.</summary>
public sealed class RandomTemplateTests
{
    private static readonly Dictionary<string, object?> Tokens = new() { ["bos_token"] = "<s>", ["eos_token"] = "</s>" };

    private static readonly string[] Texts =
        ["a", "Yes.", "", " x ", "\n", "Say yes.", "</s>", "USER: ", "😀", "\u0301e", "<|end|> no", "long text here", "[INST]", "Bot: b"];

    [Test]
    public void Answers_are_found_as_the_marks_say_or_refused()
    {
        var random = new Random(20260719);
        var (equal, refused) = (0, 0);
        for (int round = 0; round < 400; round++)
        {
            string marked = Template(random);
            for (int talk = 0; talk < 4; talk++)
            {
                var messages = Talk(random);
                var expected = ChatTemplate.Parse(marked).RenderMarked(messages, "</s>", Tokens);
                string bare = marked.Replace("{% generation %}", "", StringComparison.Ordinal).Replace("{% endgeneration %}", "",
                    StringComparison.Ordinal);
                try
                {
                    var found = ChatTemplate.Parse(bare).RenderMarked(messages, "</s>", Tokens);
                    Assert.That(found.AssistantSpans, Is.EqualTo(expected.AssistantSpans.Where(span => span.End > span.Start)),
                        $"{bare}\n{expected.Text}");
                    equal++;
                }
                catch (BadInputException e)
                {
                    Assert.That(e.Message, Does.Contain("cannot be told"));
                    refused++;
                }
            }
        }
        Assert.That((equal, refused), Is.EqualTo((1600 - refused, refused)));
        Assert.That(refused, Is.LessThan(16));
    }

    private static string Template(Random random)
    {
        string Any(params string[] choices) => choices[random.Next(choices.Length)];
        bool prompt = random.Next(2) == 0;
        string answer = Any("<|bot|>", " [/INST] ", "ASSISTANT: ", "<|im_start|>assistant\n", "### Assistant:\n", "<bot>", "Bot: ");
        string question = Any("<|user|>", "[INST] ", "USER: ", "<|im_start|>user\n", "### Human:\n", "<user>");
        string asked = Any("", "\n", "<|im_end|>\n", "</s>", "<|end|>", "\n\n");
        string begin = Any("", "", "<think>\n\n</think>\n\n", "final: ");
        string filter = Any("", "", " | trim", " | upper", " | replace('\\n', ' ')", prompt ? " | tojson" : ".strip()");
        string end = Quote(Any("</s>", "<|im_end|>", "<|end|>", "", "\n### End", "<x></s>", " </s>"));
        string stop = end == "''" ? end : Any(end, end, $"({end} if not loop.last else '')", $"({end} if loop.last else '')",
            $"('<|return|>' if loop.last else {end})");
        string said = $"(m.content{filter}) + {stop}";
        string turn = prompt ? $"{{% generation %}}{{{{ {Quote(begin)} + {said} }}}}{{% endgeneration %}}"
            : $"{{{{ {Quote(begin)} }}}}{{% generation %}}{{{{ {said} }}}}{{% endgeneration %}}";
        return $"{Any("", "{{ bos_token }}")}{{% for m in messages %}}{{% if m.role == 'assistant' %}}{{{{ {Quote(answer)} " +
            $"}}}}{turn}{{{{ {Quote(Any("", "\n", "\n\n", " "))} }}}}"
            + $"{{% elif m.role == 'user' %}}{{{{ {Quote(question)} + (m.content{filter}) + {Quote(asked)} }}}}{{% else %}}{{{{ " +
            $"{Quote(Any("<|system|>", "SYSTEM: ", "<<SYS>>"))} + m.content + {Quote(Any("\n", asked, "<</SYS>>\n\n"))} }}}}"
            + $"{{% endif %}}{{% endfor %}}{(prompt ? $"{{% if add_generation_prompt %}}{{{{ {Quote(answer)} }}}}{{% endif %}}" : "")}";
    }

    private static ChatMessage[] Talk(Random random)
    {
        string Text() => Texts[random.Next(Texts.Length)] + (random.Next(2) == 0 ? Texts[random.Next(Texts.Length)] : "");
        ChatMessage[] system = random.Next(3) == 0 ? [new("system", Text())] : [];
        return [.. system, .. Enumerable.Range(0, 2 + random.Next(5))
            .Select(i => new ChatMessage(i % 2 == 0 ? "user" : "assistant", Text()))];
    }

    private static string Quote(string text) => $"'{text.Replace("\n", "\\n", StringComparison.Ordinal)}'";
}
