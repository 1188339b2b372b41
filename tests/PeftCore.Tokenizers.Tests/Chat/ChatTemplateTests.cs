namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>What templates of well-known models do, in short.</summary>
public sealed class ChatTemplateTests
{
    [Test]
    public void Tools_are_written_as_indented_json()
    {
        var template = ChatTemplate.Parse("""
            {%- if tools is not none and tools %}
                {{- "Tools:\n" }}
                {%- for t in tools %}
                    {{- t | tojson(indent=4) }}
                    {{- "\n\n" }}
                {%- endfor %}
            {%- endif %}
            {{- messages[0]['content'] | trim }}
            """);
        var tool = new Dictionary<string, object?>
        {
            ["name"] = "add", ["args"] = new object[] { 1, "é" },
            ["none"] = new Dictionary<string, object?>()
        };

        string text = template.Render([new("user", " hi ")], extra: new Dictionary<string, object?> { ["tools"] = new[] { tool } });

        Assert.That(text,
            Is.EqualTo("Tools:\n{\n    \"name\": \"add\",\n    \"args\": [\n        1,\n        \"é\"\n    ],\n    \"none\": {}\n}\n\nhi"));
    }

    [Test]
    public void Reasoning_of_earlier_answers_is_cut_out_as_qwen_does()
    {
        var template = ChatTemplate.Parse("""
            {%- set ns = namespace(last=messages|length - 1, searching=true) %}
            {%- for message in messages[::-1] %}
                {%- if ns.searching and message.role == "user" and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
                    {%- set ns.searching = false %}
                    {%- set ns.last = (messages|length - 1) - loop.index0 %}
                {%- endif %}
            {%- endfor %}
            {%- for message in messages %}
                {%- set content = message.content %}
                {%- if '</think>' in content and loop.index0 < ns.last %}
                    {%- set content = content.split('</think>')[-1].lstrip('\n') %}
                {%- endif %}
                {{- '[' + message.role + ']' + content }}
            {%- endfor %}
            """);
        ChatMessage[] messages =
            [new("user", "a"), new("assistant", "<think>\nx\n</think>\n\nb"), new("user", "c"), new("assistant", "<think>y</think>d")];

        Assert.That(template.Render(messages), Is.EqualTo("[user]a[assistant]b[user]c[assistant]<think>y</think>d"));
    }

    [Test]
    public void Other_fields_of_a_message_are_read()
    {
        var template = ChatTemplate.Parse("""
            {%- for m in messages if 'tool_calls' in m -%}
            {%- for call in m.tool_calls -%}
            {{ call.name }}({% for k, v in call.arguments | items %}{{ k }}={{ v | tojson }}{{ ", " if not loop.last }}{% endfor %})
            {%- endfor -%}
            {%- endfor -%}
            """);
        var call = new Dictionary<string, object?>
        {
            ["name"] = "f", ["arguments"] = new Dictionary<string, object?>
            {
                ["x"] = 1.5,
                ["y"] = true
            }
        };
        var message = new ChatMessage("assistant", "") { Extra = new Dictionary<string, object?> { ["tool_calls"] = new[] { call } } };

        Assert.That(template.Render([new("user", "q"), message]), Is.EqualTo("f(x=1.5, y=true)"));
    }

    [Test]
    public void The_date_comes_from_the_clock()
    {
        const string Source = "{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%A, %-d. %B, %H:%M:%S %p %j') }}";
        var template = ChatTemplate.Parse(Source);
        var fixedTime = new ChatTemplateClock(new DateTimeOffset(2024, 7, 6, 15, 4, 5, TimeSpan.Zero));

        Assert.That(ChatTemplateClock.Render(template, fixedTime), Is.EqualTo("06 Jul 2024|Saturday, 6. July, 15:04:05 PM 188"));
    }

    [Test]
    public void What_a_template_raises_reaches_the_caller() =>
        Assert.That(() => ChatTemplate.Parse("{{ raise_exception('only two turns') }}").Render([]),
            Throws.InstanceOf<BadInputException>().With.Message.Contains("only two turns"));

    [Test]
    public void Without_generation_blocks_the_answers_are_found_by_comparison()
    {
        var template = ChatTemplate.Parse("""
            {%- for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}
            """);
        ChatMessage[] messages = [new("user", "one 😀"), new("assistant", "two 😀!"), new("user", "two"), new("assistant", "two\n")];

        var rendered = template.RenderWithSpans(messages);

        Assert.That(rendered.AssistantSpans.Select(s => TokenizerFixtures.Slice(rendered.Text, s)),
            Is.EqualTo(new[] { "two 😀!<|end|>", "two\n<|end|>" }));
    }

    [Test]
    public void Answers_are_found_where_the_template_rewrites_all_but_the_last()
    {
        var template = ChatTemplate.Parse("""
            {%- for m in messages %}{{ '[' + m.role + ']' + (m.content.split('</think>')|last if not loop.last else m.content) + ';' }}{% endfor %}
            """);
        ChatMessage[] messages = [new("user", "q"), new("assistant", "<think>a</think>b"), new("user", "r"),
            new("assistant", "<think>c</think>d")];

        var rendered = template.RenderWithSpans(messages);

        Assert.That(rendered.Text, Is.EqualTo("[user]q;[assistant]b;[user]r;[assistant]<think>c</think>d;"));
        Assert.That(rendered.AssistantSpans.Select(s => TokenizerFixtures.Slice(rendered.Text, s)),
            Is.EqualTo(new[] { "b;", "<think>c</think>d;" }));
    }

    [Test]
    public void The_mask_covers_the_tokens_of_the_answers_alone()
    {
        var tokenizer = TokenizerFixtures.Load("byte_bpe");
        ChatMessage[] messages = [new("user", "the question"), new("assistant", "the answer 日本"), new("user", "and"),
            new("assistant", "more")];

        var (encoding, mask) = tokenizer.EncodeChatWithMask(messages, ChatTemplate.BuiltIn("chatml"));

        string spoken = tokenizer.Decode([.. encoding.Ids.Where((_, i) => mask[i])]);
        Assert.That(spoken, Is.EqualTo("the answer 日本<|im_end|>more<|im_end|>"));
        Assert.That(encoding.Ids, Is.EqualTo(tokenizer.EncodeChat(messages, template: ChatTemplate.BuiltIn("chatml")).Ids));
    }

    [Test]
    public void Generation_blocks_inside_macros_and_captures_do_not_disturb()
    {
        var template = ChatTemplate.Parse(
            "{% set x %}{% generation %}no{% endgeneration %}{% endset %}{{ x }}-{% generation %}yes{% endgeneration %}");

        var rendered = template.RenderWithSpans([]);

        Assert.That(rendered.Text, Is.EqualTo("no-yes"));
        Assert.That(rendered.AssistantSpans, Is.EqualTo(new[] { new TextRange(3, 6) }));
    }
}
