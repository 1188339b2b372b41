namespace PeftCore.Tokenizers;

/// <summary>Writes a conversation as the text that a model was trained to read: the chat_template of its tokenizer, a program in Jinja.
/// Templates come with model files, so their running time, memory and output are bounded.</summary>
public sealed class ChatTemplate
{
    private readonly JinjaBlock _body;
    private readonly bool _hasGeneration;
    private readonly TimeProvider _clock;

    private ChatTemplate(string source, JinjaBlock body, bool hasGeneration, TimeProvider clock)
    {
        _clock = clock;
        Source = source;
        _body = body;
        _hasGeneration = hasGeneration;
    }

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>The names that <see cref="BuiltIn"/> accepts.</summary>
    public static IReadOnlyList<string> BuiltInNames => BuiltInTemplates.Names;


    /// <summary>Reads a template.</summary>
    /// <exception cref="BadInputException">The template is not valid, or uses a construct that is not supported.</exception>
    public static ChatTemplate Parse(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        var (body, hasGeneration) = JinjaParser.Parse(template);
        return new ChatTemplate(template, body, hasGeneration, TimeProvider.System);
    }

    /// <summary>The format of a family of models, for tokenizers without a template.</summary>
    /// <param name="name">One of <see cref="BuiltInNames"/>.</param>
    /// <exception cref="BadInputException">The name is not known.</exception>
    public static ChatTemplate BuiltIn(string name) => Parse(BuiltInTemplates.Find(name));

    /// <summary>Writes a conversation as text.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether the text ends with the beginning of an answer by the assistant.</param>
    /// <param name="bosToken">The text of the token that begins a sequence; undefined if null.</param>
    /// <param name="eosToken">The text of the token that ends a sequence; undefined if null.</param>
    /// <param name="extra">Other variables that the template reads, such as "pad_token" or "enable_thinking". "tools" and "documents" are
    /// none where they are not given, as in transformers.</param>
    /// <exception cref="BadInputException">The template refuses the messages, fails, or exceeds its bounds.</exception>
    public string Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = false,
        string? bosToken = null,
        string? eosToken = null,
        IReadOnlyDictionary<string, object?>? extra = null) =>
        Run(Checked(messages), addGenerationPrompt, Variables(bosToken, eosToken, extra), _clock).Output.ToString();

    /// <summary>Writes a conversation as text and finds the assistant's answers in it. Generation blocks of the template mark them;
    /// a template without them is rendered again with placeholders for the answers, and the texts are compared.</summary>
    /// <exception cref="BadInputException">The template refuses the messages, fails, or exceeds its bounds, or the assistant's answers
    /// cannot be told.</exception>
    public RenderedChat RenderWithSpans(
        IReadOnlyList<ChatMessage> messages,
        string? bosToken = null,
        string? eosToken = null,
        IReadOnlyDictionary<string, object?>? extra = null) =>
        RenderMarked(messages, eosToken, Variables(bosToken, eosToken, extra));

    private static IReadOnlyList<ChatMessage> Checked(IReadOnlyList<ChatMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return messages.Contains(null!) ? throw new ArgumentNullException(nameof(messages), "a message is null") : messages;
    }

    /// <summary>As <see cref="RenderWithSpans"/>.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="end">The text of the token that ends a sequence, which may end answers.</param>
    /// <param name="variables">All that the template reads besides the messages.</param>
    internal RenderedChat RenderMarked(IReadOnlyList<ChatMessage> messages, string? end, IReadOnlyDictionary<string, object?> variables)
    {
        Checked(messages);
        // The renderings that are compared must have the same time in them.
        var clock = new FrozenClock(_clock);
        var run = Run(messages, false, variables, clock);
        string text = run.Output.ToString();
        var spans = _hasGeneration
            ? run.Generated
            : new AssistantSpans((changed, prompt) => Run(changed, prompt, variables, clock).Output.ToString(), end).Find(messages, text);
        return new RenderedChat(text, AssistantSpans.ToCodePoints(text, spans));
    }

    /// <summary>Whether the template marks the assistant's answers with generation blocks.</summary>
    internal bool HasGeneration => _hasGeneration;

    /// <summary>The same template with another source of what strftime_now reads.</summary>
    internal ChatTemplate WithClock(TimeProvider clock) => new(Source, _body, _hasGeneration, clock);

    private static Dictionary<string, object?> Variables(string? bosToken, string? eosToken, IReadOnlyDictionary<string, object?>? extra)
    {
        var variables = new Dictionary<string, object?>();
        if (bosToken is not null)
        {
            variables["bos_token"] = bosToken;
        }

        if (eosToken is not null)
        {
            variables["eos_token"] = eosToken;
        }

        foreach (var (name, value) in extra ?? new Dictionary<string, object?>())
        {
            variables[name] = value;
        }

        return variables;
    }

    private JinjaRun Run(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?> variables,
        TimeProvider clock)
    {
        var scope = new JinjaScope(null);
        JinjaGlobals.AddTo(scope);
        scope["tools"] = null;
        scope["documents"] = null;
        foreach (var (name, value) in variables)
        {
            scope[name] = JinjaJson.Import(value);
        }

        scope["messages"] = JinjaJson.Import(messages);
        scope["add_generation_prompt"] = addGenerationPrompt;
        var run = new JinjaRun(clock);
        try
        {
            _body.Run(scope, run);
        }
        catch (InsufficientExecutionStackException)
        {
            throw JinjaError.Of("it nests too deeply");
        }
        catch (OverflowException)
        {
            throw JinjaError.Of("it makes a number of more than 64 bits");
        }

        return run;
    }

    private sealed class FrozenClock(TimeProvider clock) : TimeProvider
    {
        private readonly DateTimeOffset _now = clock.GetUtcNow();

        public override TimeZoneInfo LocalTimeZone => clock.LocalTimeZone;

        public override DateTimeOffset GetUtcNow() => _now;
    }
}
