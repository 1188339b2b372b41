namespace PeftCore.Tokenizers;

// Conversations: their text by a chat template, and its tokens.
public sealed partial class Tokenizer
{
    /// <summary>The chat template of the tokenizer's directory, or null if it has none.</summary>
    /// <exception cref="BadInputException">The template is not valid, or uses a construct that is not supported.</exception>
    public ChatTemplate? ChatTemplate => FindTemplate(withTools: false);

    /// <summary>The names of the chat templates in the tokenizer's directory; one without a name is "default".</summary>
    public IReadOnlyCollection<string> ChatTemplateNames => _chatTemplates.Keys;

    /// <summary>Writes a conversation as text, with everything that transformers gives a template: the special tokens, and tools and
    /// documents, which are none unless given.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether the text ends with the beginning of an answer by the assistant.</param>
    /// <param name="template">The template; without it the tokenizer's own: "tool_use" where there are tools and a template of that name,
    /// else "default".</param>
    /// <param name="extra">Other variables that the template reads, such as "tools", "documents" or "enable_thinking".</param>
    /// <exception cref="BadInputException">There is no template, or it refuses the messages.</exception>
    public string RenderChat(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt = false, ChatTemplate? template = null,
        IReadOnlyDictionary<string, object?>? extra = null) =>
        (template ?? OwnTemplate(extra)).Render(messages, addGenerationPrompt, extra: WithSpecialTokens(extra));

    /// <summary>Encodes the text that the template writes for a conversation. The template writes the special tokens itself.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether the text ends with the beginning of an answer by the assistant.</param>
    /// <param name="template">The template; without it the tokenizer's own.</param>
    /// <param name="extra">Other variables that the template reads, such as "tools", "documents" or "enable_thinking".</param>
    public Encoding EncodeChat(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt = false, ChatTemplate? template = null,
        IReadOnlyDictionary<string, object?>? extra = null) =>
        Encode(RenderChat(messages, addGenerationPrompt, template, extra), addSpecialTokens: false);

    /// <summary>Encodes a conversation to train on: the tokens, and for each whether it is part of an assistant's answer.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="template">The template; without it the tokenizer's own.</param>
    /// <param name="extra">Other variables that the template reads, such as "tools", "documents" or "enable_thinking".</param>
    /// <exception cref="BadInputException">There is no template, it refuses the messages, or the assistant's answers cannot be
    /// told.</exception>
    public (Encoding Encoding, bool[] AssistantMask) EncodeChatWithMask(IReadOnlyList<ChatMessage> messages, ChatTemplate? template = null,
        IReadOnlyDictionary<string, object?>? extra = null)
    {
        var rendered = RenderChatWithSpans(messages, template, extra);
        var encoding = Encode(rendered.Text, addSpecialTokens: false);
        return (encoding, rendered.AssistantMask(encoding));
    }

    /// <summary>Writes a conversation as text and finds the assistant's answers in it.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="template">The template; without it the tokenizer's own.</param>
    /// <param name="extra">Other variables that the template reads, such as "tools", "documents" or "enable_thinking".</param>
    /// <exception cref="BadInputException">There is no template, or it refuses the messages.</exception>
    public RenderedChat RenderChatWithSpans(IReadOnlyList<ChatMessage> messages, ChatTemplate? template,
        IReadOnlyDictionary<string, object?>? extra) =>
        (template ?? OwnTemplate(extra)).RenderMarked(messages, EosText, WithSpecialTokens(extra));

    /// <summary>The template for a conversation with or without tools; null if the tokenizer has none.</summary>
    /// <param name="withTools">Whether the conversation has tools; a template called "tool_use" is then preferred.</param>
    /// <exception cref="BadInputException">There are several, and none for this.</exception>
    public ChatTemplate? FindTemplate(bool withTools) => _chatTemplates.Count == 0 ? null
        : withTools && _chatTemplates.TryGetValue("tool_use", out var forTools) ? forTools.Value
        : _chatTemplates.TryGetValue(ChatTemplateFiles.Default, out var usual) ? usual.Value
        : throw new BadInputException($"{Config.Directory} has the chat templates {string.Join(", ", _chatTemplates.Keys)} but none called "
            + "\"default\"; name the one to use.");

    /// <summary>One of the tokenizer's own templates by its name.</summary>
    /// <param name="name">One of <see cref="ChatTemplateNames"/>.</param>
    /// <exception cref="BadInputException">The name is not known, or the template is not valid.</exception>
    public ChatTemplate ChatTemplateNamed(string name) => _chatTemplates.TryGetValue(name, out var template) ? template.Value
        : throw new BadInputException(
        $"The tokenizer has no chat template \"{name}\"; it has " +
        $"{(_chatTemplates.Count == 0 ? "none" : string.Join(", ", _chatTemplates.Keys))}.");

    /// <summary>The text of the token that ends a sequence, also where only the model's config names it.</summary>
    private string? EosText => EosToken ?? (EosId is { } id ? TokenOf(id) : null);

    private Dictionary<string, object?> WithSpecialTokens(IReadOnlyDictionary<string, object?>? extra)
    {
        var all = Config.SpecialTokens.ToDictionary(t => t.Key, t => (object?)t.Value);
        foreach (var (name, value) in extra ?? new Dictionary<string, object?>())
        {
            all[name] = value;
        }

        return all;
    }

    private ChatTemplate OwnTemplate(IReadOnlyDictionary<string, object?>? extra) =>
        FindTemplate(extra?.GetValueOrDefault("tools") is not null)
        ?? throw new BadInputException("The tokenizer's directory brings no chat template; give "
        + $"one, such as ChatTemplate.BuiltIn with {string.Join(", ", ChatTemplate.BuiltInNames)}.");
}
