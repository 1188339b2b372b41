using PeftCore.Backends;
using PeftCore.Tokenizers;

namespace PeftCore.Models.Generation;

/// <summary>Generates text with a causal model and its active adapters.</summary>
public sealed class Generator
{
    private readonly CausalModel _model;
    private readonly Backend _backend;

    /// <summary>Creates a generator for a model.</summary>
    /// <exception cref="BadInputException">The model does not generate text.</exception>
    public Generator(TransformerModel model, Backend backend) => (_model, _backend) = (CausalModel.Of(model), backend);

    /// <summary>Generates text after a prompt. Unless the options name stop tokens, the tokenizer's end-of-text tokens end it.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="onToken">Called with each token.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <exception cref="BadInputException">The prompt is empty or does not fit the model, or an option is out of range.</exception>
    public GenerationResult Generate(string prompt, Tokenizer tokenizer, GenerationOptions? options = null,
        Action<GeneratedToken>? onToken = null,
        CancellationToken cancel = default)
    {
        options ??= new GenerationOptions();
        int[] ids = [.. tokenizer.Encode(prompt).Ids];
        options = options.StopTokens.Count > 0 ? options : options with { StopTokens = [.. tokenizer.StopIds] };
        if (tokenizer.EosId is { } end)
        {
            // Some tokenizers append an end-of-text token; a prompt must not have one.
            ids = ids.Length > 1 && ids[^1] == end ? ids[..^1] : ids;
        }
        return Generate(ids, options, tokens => tokenizer.Decode([.. tokens]), onToken, cancel);
    }

    /// <summary>Generates tokens after a prompt.</summary>
    /// <param name="prompt">The tokens of the prompt, at least one.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="decode">Decodes tokens to text; null for tokens only.</param>
    /// <param name="onToken">Called with each token.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <exception cref="BadInputException">The prompt is empty, does not fit the model's context or vocabulary, or an option is out of
    /// range.</exception>
    public GenerationResult Generate(ReadOnlySpan<int> prompt, GenerationOptions? options = null, Func<IReadOnlyList<int>, string>? decode =
        null,
        Action<GeneratedToken>? onToken = null, CancellationToken cancel = default)
    {
        options ??= new GenerationOptions();
        options.Check(canDecode: decode is not null);
        CheckPrompt(_model, prompt);
        bool training = _model.Mode.Training;
        _model.Mode.Training = false;
        try
        {
            var text = decode is null ? null : new TextStream(decode, options.StopStrings, prompt);
            var tokens = new List<int>();
            var reason = Continue(prompt, options, tokens, text, onToken, cancel);
            return new GenerationResult(tokens, text?.Text ?? "", reason, reason == FinishReason.ContextFull
                ? ContextNotice(prompt.Length, tokens.Count) : null);
        }
        finally
        {
            _model.Mode.Training = training;
        }
    }

    internal static void CheckPrompt(CausalModel model, ReadOnlySpan<int> prompt)
    {
        if (prompt.IsEmpty)
        {
            throw new BadInputException("the prompt has no tokens; give some text, or a tokenizer that puts a token before every text");
        }
        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)model.VocabularySize)
            {
                throw new BadInputException(
                    $"the prompt holds token {token}, but the model's vocabulary has {model.VocabularySize}; the tokenizer belongs to " +
                    "another model");
            }
        }
        if (prompt.Length >= RoomOf(model))
        {
            throw new BadInputException(
                $"the prompt has {prompt.Length} tokens, but the model's context holds {RoomOf(model)} and must leave room for an " +
                "answer; shorten the prompt");
        }
    }

    /// <summary>Maximum tokens of a sequence besides virtual ones.</summary>
    private static int RoomOf(CausalModel model) => model.MaxLength - (model.VirtualTokens?.Count ?? 0);

    private FinishReason Continue(ReadOnlySpan<int> prompt, GenerationOptions options, List<int> tokens, TextStream? text,
        Action<GeneratedToken>? onToken, CancellationToken cancel)
    {
        int room = Math.Min(options.MaxNewTokens, RoomOf(_model) - prompt.Length);
        using var decoder = new CachedDecoder(_model, _backend, prompt.Length + room, options.KvCacheDType);
        var chooser = new TokenChooser(options, prompt);
        float[] logits = new float[_model.VocabularySize];
        scoped var unread = prompt;
        int token = 0;
        while (!cancel.IsCancellationRequested)
        {
            decoder.Read(unread, logits);
            token = chooser.Choose(logits);
            unread = new ReadOnlySpan<int>(in token);
            tokens.Add(token);
            FinishReason? end = options.StopTokens.Contains(token) ? FinishReason.StopToken : null;
            if (end is null)
            {
                text?.Add(token);
                end = text is { Stopped: true } ? FinishReason.StopString
                    : tokens.Count == options.MaxNewTokens ? FinishReason.MaxNewTokens
                    : tokens.Count == room ? FinishReason.ContextFull
                    : null;
            }
            string piece = text is null ? "" : end is null ? text.Give() : text.Flush();
            onToken?.Invoke(new GeneratedToken(token, piece));
            if (end is { } reason)
            {
                return reason;
            }
        }
        text?.Flush();
        return FinishReason.Cancelled;
    }

    private string ContextNotice(int prompt, int generated) =>
        $"the text ends after {generated} tokens because the model's context of {_model.MaxLength} is full, {prompt} of it taken by the " +
        "prompt";
}
