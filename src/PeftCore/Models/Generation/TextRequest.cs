namespace PeftCore.Models.Generation;

/// <summary>One text to generate.</summary>
/// <param name="Prompt">The tokens that the decoder reads before the first new one: a prompt, or an encoder-decoder's start
/// token.</param>
/// <param name="Options">How tokens are chosen and the text ends.</param>
/// <param name="Room">New tokens that the decoder has room for.</param>
/// <param name="Decode">Decodes tokens to text; null for tokens only.</param>
internal sealed record TextRequest(int[] Prompt, GenerationOptions Options, int Room, Func<IReadOnlyList<int>, string>? Decode = null)
{
    /// <summary>The tokens of the encoder's text; null for a decoder alone.</summary>
    public int[]? EncoderIds { get; init; }

    /// <summary>(1, bins, frames): the spectrogram of an encoder of sound; null for text.</summary>
    public DenseArray? Sound { get; init; }

    /// <summary>The rules of timestamps; null for a text without.</summary>
    public TimestampRules? Timestamps { get; init; }

    /// <summary>Called with each token and the new text: as soon as it is known, and of beam search at the end.</summary>
    public Action<int, string>? OnToken { get; init; }

    /// <summary>The message for a text that ends because the decoder has no room for more than so many tokens; null for none.</summary>
    public Func<int, string>? ContextNotice { get; init; }

    /// <summary>Maximum number of new tokens that the options allow.</summary>
    private int Wanted => Options.MaxLength is { } length ? Math.Min(Options.MaxNewTokens, length - Prompt.Length) : Options.MaxNewTokens;

    /// <summary>Maximum number of new tokens, at least one.</summary>
    public int MaxNewTokens => Math.Min(Wanted, Room);

    /// <summary>The processors of its logits.</summary>
    public LogitsProcessorList Processors() => new(Options, Prompt.Length, Prompt.Length + MaxNewTokens, EncoderIds, Timestamps);

    /// <summary>Checks that the lengths of the options and of the prompt go together.</summary>
    /// <exception cref="BadInputException">They leave no room for a new token, or for the shortest text.</exception>
    public void CheckLengths()
    {
        if (Wanted < 1)
        {
            throw new BadInputException($"max_length is {Options.MaxLength}, and the prompt has {Prompt.Length} tokens; shorten the " +
                "prompt, or give max_new_tokens, which counts new tokens only");
        }
        if (Options.MinLength > Prompt.Length + Wanted)
        {
            throw new BadInputException($"min_length is {Options.MinLength}, but {Prompt.Length} tokens of the prompt and {Wanted} new " +
                $"ones are no more than {Prompt.Length + Wanted}; lower min_length or raise max_new_tokens");
        }
    }

    /// <summary>Why a text of new tokens ends, or null if it goes on.</summary>
    public FinishReason? EndOf(int token, int count, Func<bool> hasStopString) =>
        Options.StopTokens.Contains(token) ? FinishReason.StopToken
        : hasStopString() ? FinishReason.StopString
        : count < MaxNewTokens ? null
        : count == Wanted ? FinishReason.MaxNewTokens
        : FinishReason.ContextFull;

    /// <summary>A new stream of its text; null without a decoder.</summary>
    public TextStream? Stream() => Decode is null ? null : new TextStream(Decode, Options.StopStrings, Prompt);

    /// <summary>The result with the message that belongs to its end.</summary>
    public GenerationResult Result(IReadOnlyList<int> tokens, string? text, FinishReason reason) =>
        new(tokens, text ?? "", reason, reason == FinishReason.ContextFull ? ContextNotice?.Invoke(tokens.Count) : null);
}
