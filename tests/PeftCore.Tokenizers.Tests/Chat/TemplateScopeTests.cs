using System.Text.Json;

namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>What a chat template sees: what transformers' apply_chat_template gives it.</summary>
public sealed class TemplateScopeTests
{
    private static readonly ChatMessage[] Hi = [new("user", "hi")];

    [Test]
    public void Tools_and_documents_are_none_and_special_tokens_have_their_text()
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] = """{"unk_token": "<unk>", "pad_token": "<unk>"}""";
        directory["chat_template.jinja"] =
            "{% set OUT %}{% if tools is not none %}T{% else %}-{% endif %}{{ tools is defined }}{{ documents is none }}[{{ unk_token }}]"
            + "[{{ pad_token }}]{% endset %}{{ raise_exception(OUT) }}";

        Assert.That(() => directory.Load().RenderChat(Hi),
            Throws.InstanceOf<BadInputException>().With.Message.Contains("-TrueTrue[<unk>][<unk>]"));
    }

    [Test]
    public void Special_tokens_have_any_form_and_role_and_those_not_set_are_undefined()
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] = """
            {"bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": false}, "eos_token": null, "image_token": "<img>", "add_bos_token": false,
             "extra_special_tokens": {"audio_token": "a"}, "additional_special_tokens": ["b"]}
            """;
        directory["special_tokens_map.json"] = """{"unk_token": {"content": "<unk>", "lstrip": false}}""";
        directory["chat_template.jinja"] =
            "{{ bos_token }}{{ unk_token }}{{ image_token }}{{ audio_token }} {{ eos_token is defined }}{{ mask_token is defined }}"
            + "{{ add_bos_token is defined }}{{ additional_special_tokens is defined }} {{ add_generation_prompt }}";

        Assert.That(directory.Load().RenderChat(Hi, addGenerationPrompt: true), Is.EqualTo("<s><unk><img>a FalseFalseFalseFalse True"));
    }

    [Test]
    public void A_token_that_is_not_set_cannot_be_added_to_a_text()
    {
        using var directory = new TokenizerDirectory();
        directory["chat_template.jinja"] = "{{ bos_token + 'x' }}";

        Assert.That(() => directory.Load().RenderChat(Hi), Throws.InstanceOf<BadInputException>().With.Message.Contains("'bos_token'"));
    }

    [TestCase("{\"unk_token\": \"a\"}", "b",
        "unk_token is \"a\" in tokenizer_config.json but \"b\" in special_tokens_map.json; \"b\" is used")]
    [TestCase("{\"unk_token\": \"a\", \"added_tokens_decoder\": {\"3\": {\"content\": \"a\"}}}", "a",
        "\"a\" is used, as transformers does not read special_tokens_map.json")]
    public void Of_two_files_that_contradict_each_other_transformers_choice_holds_and_is_said(string config, string used, string warning)
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] = config;
        directory["special_tokens_map.json"] = """{"unk_token": "b"}""";

        var tokenizer = directory.Load();

        Assert.That(tokenizer.UnkToken, Is.EqualTo(used));
        Assert.That(tokenizer.Warnings, Has.One.Contains(warning));
    }

    [Test]
    public void The_template_for_tools_is_used_where_there_are_tools()
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] =
            """{"chat_template": [{"name": "tool_use", "template": "{{ tools[0].name }}"}, {"name": "default", "template": "{{ tools is none }}"}, {"name": "rag", "template": "r"}]}""";
        var tokenizer = directory.Load();
        var tools = new Dictionary<string, object?> { ["tools"] = new[] { new Dictionary<string, object?> { ["name"] = "add" } } };

        Assert.That(tokenizer.RenderChat(Hi, extra: tools), Is.EqualTo("add"));
        Assert.That(tokenizer.RenderChat(Hi), Is.EqualTo("True"));
        Assert.That(tokenizer.RenderChat(Hi, template: tokenizer.ChatTemplateNamed("rag")), Is.EqualTo("r"));
        Assert.That(() => tokenizer.ChatTemplateNamed("x"),
            Throws.InstanceOf<BadInputException>().With.Message.Contains("tool_use, default, rag"));
    }

    [Test]
    public void Template_files_come_before_the_configuration_and_what_is_not_read_is_said()
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] = """{"chat_template": "old"}""";
        directory["chat_template.jinja"] = "new";
        directory["additional_chat_templates/tool_use.jinja"] = "tools";
        var tokenizer = directory.Load();

        Assert.That(tokenizer.RenderChat(Hi), Is.EqualTo("new"));
        Assert.That(tokenizer.RenderChat(Hi, extra: new Dictionary<string, object?> { ["tools"] = new[] { 1 } }), Is.EqualTo("tools"));
        Assert.That(tokenizer.Warnings,
            Has.One.Contains("the chat template of chat_template.jinja is used; tokenizer_config.json has another one"));
    }

    [Test]
    public void Several_templates_without_a_default_one_are_not_guessed_at()
    {
        using var directory = new TokenizerDirectory();
        directory["tokenizer_config.json"] = """{"chat_template": [{"name": "x", "template": "1"}, {"name": "y", "template": "2"}]}""";

        Assert.That(() => directory.Load().RenderChat(Hi), Throws.InstanceOf<BadInputException>().With.Message.Contains("x, y"));
    }

    [Test]
    public void Messages_reach_the_template_as_they_are()
    {
        using var arguments =
            JsonDocument.Parse(
            """[{"function": {"name": "f", "arguments": {"x": 1.0, "y": null}}}, {"function": {"arguments": "{\"x\": 1}"}}]""");
        var message = new ChatMessage("assistant", "")
        {
            Extra = new Dictionary<string, object?>
            {
                ["content"] = null,
                ["tool_calls"] = arguments.RootElement
            }
        };

        string text = ChatTemplate.Parse("{{ messages | tojson }}").Render([message]);

        Assert.That(text,
            Is.EqualTo("""[{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1.0, "y": null}}}, {"function": {"arguments": "{\"x\": 1}"}}]}]"""));
    }

    [TestCase("tool", "this format has no role tool")]
    [TestCase("assistant", "this format knows no tool calls")]
    public void Built_in_templates_refuse_what_they_have_no_place_for(string role, string why)
    {
        var message = new ChatMessage(role, "x") { Extra = new Dictionary<string, object?> { ["tool_calls"] = new[] { 1 } } };

        foreach (string name in ChatTemplate.BuiltInNames)
        {
            Assert.That(() => ChatTemplate.BuiltIn(name).Render([new("user", "q"), message]),
                Throws.InstanceOf<BadInputException>().With.Message.Contains(why));
        }
    }

    [Test]
    public void Built_in_templates_do_without_a_begin_token() =>
        Assert.That(ChatTemplate.BuiltIn("llama2").Render(Hi), Is.EqualTo("[INST] hi [/INST]"));
}
