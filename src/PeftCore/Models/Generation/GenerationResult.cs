namespace PeftCore.Models.Generation;

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>The maximum number of new tokens was reached.</summary>
    MaxNewTokens,

    /// <summary>A stop token was generated.</summary>
    StopToken,

    /// <summary>A stop string was generated.</summary>
    StopString,

    /// <summary>The model's context is full.</summary>
    ContextFull,

    /// <summary>Cancelled by the caller.</summary>
    Cancelled,
}

/// <summary>A generated text.</summary>
public sealed class GenerationResult
{
    internal GenerationResult(IReadOnlyList<int> tokens, string text, FinishReason reason, string? notice = null) =>
        (Tokens, Text, Reason, Notice) = (tokens, text, reason, notice);

    /// <summary>The new tokens, a stop token included.</summary>
    public IReadOnlyList<int> Tokens { get; }

    /// <summary>The text of the tokens without stop token and stop string; empty without a decoder.</summary>
    public string Text { get; }

    /// <summary>Why it ended.</summary>
    public FinishReason Reason { get; }

    /// <summary>A message for the user if the text ended because the context is full; otherwise null.</summary>
    public string? Notice { get; }

    /// <summary>The other texts of a beam search that returns several, best first; empty otherwise.</summary>
    public IReadOnlyList<GenerationResult> Alternatives { get; private init; } = [];

    /// <summary>The result with other texts beside it.</summary>
    internal GenerationResult With(IReadOnlyList<GenerationResult> alternatives) =>
        new(Tokens, Text, Reason, Notice) { Alternatives = alternatives };
}
