namespace PeftCore.Models.Generation;

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>As many tokens as were asked for.</summary>
    MaxNewTokens,

    /// <summary>A stop token was generated.</summary>
    StopToken,

    /// <summary>A stop string was generated.</summary>
    StopString,

    /// <summary>The model's context is full.</summary>
    ContextFull,

    /// <summary>Stopped from outside.</summary>
    Cancelled,
}

/// <summary>A generated token as it streams out.</summary>
/// <param name="Id">The token.</param>
/// <param name="Text">What has become certain of the text: a character whose bytes are not all there, or what may become a stop string,
/// waits for the tokens after it. Empty without a decoder.</param>
public readonly record struct GeneratedToken(int Id, string Text);

/// <summary>A generated text.</summary>
/// <param name="Tokens">The new tokens, a stop token included.</param>
/// <param name="Text">Their text without stop token and stop string; empty without a decoder.</param>
/// <param name="Reason">Why it ended.</param>
/// <param name="Notice">A sentence for the user if the text ended for want of context; otherwise null.</param>
public sealed record GenerationResult(IReadOnlyList<int> Tokens, string Text, FinishReason Reason, string? Notice = null);
