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

/// <summary>A generated token, as it is streamed.</summary>
/// <param name="Id">The token.</param>
/// <param name="Text">The new text. Incomplete characters and possible beginnings of stop strings are held back until later tokens decide.
/// Empty without a decoder.</param>
public readonly record struct GeneratedToken(int Id, string Text);

/// <summary>A generated text.</summary>
/// <param name="Tokens">The new tokens, a stop token included.</param>
/// <param name="Text">Their text without stop token and stop string; empty without a decoder.</param>
/// <param name="Reason">Why it ended.</param>
/// <param name="Notice">A message for the user if the text ended because the context is full; otherwise null.</param>
public sealed record GenerationResult(IReadOnlyList<int> Tokens, string Text, FinishReason Reason, string? Notice = null);
