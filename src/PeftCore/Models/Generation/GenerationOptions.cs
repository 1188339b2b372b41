using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>How the next token is chosen, and when to stop. What each setting does is what transformers' generate does with it; with a
/// temperature of 0 the likeliest token is taken and the settings that shape a draw do nothing.</summary>
public sealed record GenerationOptions
{
    private const float LeastTemperature = 1e-30f;

    /// <summary>Most tokens to generate.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>Logits are divided by this before a draw; 0 takes the likeliest token.</summary>
    public float Temperature { get; init; }

    /// <summary>Draw among this many of the likeliest tokens; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Draw among the fewest tokens whose probabilities reach this sum; 1 for all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Draw among tokens at least this likely relative to the likeliest; 0 for all.</summary>
    public float MinP { get; init; }

    /// <summary>Logits of tokens that occurred, in the prompt too, are divided by this if positive and multiplied if negative; 1 for no
    /// penalty.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Seed of the draws: the same seed, prompt and model give the same tokens.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tokens that end the text, such as the end-of-sequence token.</summary>
    public IReadOnlyCollection<int> StopTokens { get; init; } = [];

    /// <summary>Strings that end the text; they need a decoder. The text is cut before them.</summary>
    public IReadOnlyCollection<string> StopStrings { get; init; } = [];

    /// <summary>How keys and values of earlier tokens are stored: F32, or BF16 at half the bytes; null for how the device stores
    /// activations.</summary>
    public DType? KvCacheDType { get; init; }

    internal void Check(bool canDecode)
    {
        if (KvCacheDType is { } dtype)
        {
            KvCache.CheckDType(dtype);
        }
        Require(MaxNewTokens > 0, "max_new_tokens", $"{MaxNewTokens}", "at least 1");
        // Logits divided by less overflow.
        Require(float.IsFinite(Temperature) && Temperature is 0 or >= LeastTemperature, "temperature", $"{Temperature}",
            "that is 0, for the likeliest token, or at least 1e-30");
        Require(TopK >= 0, "top_k", $"{TopK}", "at least 0");
        Require(TopP is > 0 and <= 1, "top_p", $"{TopP}", "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, "min_p", $"{MinP}", "between 0 and 1");
        Require(float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, "repetition_penalty", $"{RepetitionPenalty}", "above 0");
        if (StopStrings.Count > 0 && !canDecode)
        {
            throw new ArgumentException("stop strings can only be found with a decoder from tokens to text", nameof(canDecode));
        }
        if (StopStrings.Contains(""))
        {
            throw new BadInputException("a stop string is empty, which would end every text before it begins; leave it out");
        }
    }

    private static void Require(bool holds, string name, string found, string expected)
    {
        if (!holds)
        {
            throw new BadInputException($"{name} is {found}, expected a number {expected}");
        }
    }
}
