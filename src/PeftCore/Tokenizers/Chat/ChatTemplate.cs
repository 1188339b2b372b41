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

    /// <summary>The names that <see cref="BuiltIn"/> knows.</summary>
    public static IReadOnlyList<string> BuiltInNames => BuiltInTemplates.Names;


    /// <summary>Reads a template.</summary>
    /// <exception cref="BadInputException">The template is not valid, or uses what this library does not know.</exception>
    public static ChatTemplate Parse(string template)
    {
        var (body, hasGeneration) = JinjaParser.Parse(template);
        return new ChatTemplate(template, body, hasGeneration, TimeProvider.System);
    }

    /// <summary>The format of a family of models, for tokenizers that bring no template.</summary>
    /// <param name="name">One of <see cref="BuiltInNames"/>.</param>
    /// <exception cref="BadInputException">The name is not known.</exception>
    public static ChatTemplate BuiltIn(string name) => Parse(BuiltInTemplates.Find(name));

    /// <summary>Writes a conversation as text.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Whether the text ends with the beginning of an answer by the assistant.</param>
    /// <param name="bosToken">The text of the token that begins a sequence.</param>
    /// <param name="eosToken">The text of the token that ends a sequence.</param>
    /// <param name="extra">Other variables that the template reads, such as "tools" or "enable_thinking".</param>
    /// <exception cref="BadInputException">The template refuses the messages, fails, or exceeds its bounds.</exception>
    public string Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = false,
        string? bosToken = null,
        string? eosToken = null,
        IReadOnlyDictionary<string, object?>? extra = null) =>
        Run(messages, addGenerationPrompt, bosToken, eosToken, extra).Output.ToString();

    /// <summary>Writes a conversation as text and finds what the assistant says in it. A template with generation blocks says so itself;
    /// any other is rendered once more for each answer with something else in its place, and the texts are compared.</summary>
    /// <exception cref="BadInputException">The template refuses the messages, fails, or exceeds its bounds.</exception>
    public RenderedChat RenderWithSpans(
        IReadOnlyList<ChatMessage> messages,
        string? bosToken = null,
        string? eosToken = null,
        IReadOnlyDictionary<string, object?>? extra = null)
    {
        var run = Run(messages, false, bosToken, eosToken, extra);
        var text = run.Output.ToString();
        var spans = _hasGeneration
            ? run.Generated
            : AssistantSpans.Find(messages, text, changed => Render(changed, false, bosToken, eosToken, extra));
        return new RenderedChat(text, AssistantSpans.ToCodePoints(text, spans));
    }

    /// <summary>The same template with another source of what strftime_now reads.</summary>
    internal ChatTemplate WithClock(TimeProvider clock) => new(Source, _body, _hasGeneration, clock);

    private JinjaRun Run(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt,
        string? bosToken,
        string? eosToken,
        IReadOnlyDictionary<string, object?>? extra)
    {
        var scope = new JinjaScope(null);
        JinjaGlobals.AddTo(scope);
        scope["messages"] = JinjaJson.Import(messages);
        scope["add_generation_prompt"] = addGenerationPrompt;
        scope["bos_token"] = bosToken ?? "";
        scope["eos_token"] = eosToken ?? "";
        foreach (var (name, value) in extra ?? new Dictionary<string, object?>())
        {
            scope[name] = JinjaJson.Import(value);
        }

        var run = new JinjaRun(_clock);
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
}
