using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>Options of generation, with the semantics of transformers' generate. Temperature 0 is greedy decoding, which ignores
/// top-k, top-p and min-p.</summary>
public sealed record GenerationOptions
{
    private const float LeastTemperature = 1e-30f;

    /// <summary>Maximum number of new tokens.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>Divisor of the logits before sampling; 0 for greedy decoding.</summary>
    public float Temperature { get; init; }

    /// <summary>Samples from the k likeliest tokens; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Samples from the smallest set of likeliest tokens whose probabilities sum to p; 1 for all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Samples from tokens whose probability is at least this share of the highest; 0 for all.</summary>
    public float MinP { get; init; }

    /// <summary>Logits of tokens of the prompt and the text so far are divided by this if positive and multiplied if negative; 1 for no
    /// penalty.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Seed of sampling: the same seed, prompt and model give the same tokens.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tokens that end the text, such as the end-of-sequence token.</summary>
    public IReadOnlyCollection<int> StopTokens { get; init; } = [];

    /// <summary>Strings that end the text, which is cut before them. They need a decoder.</summary>
    public IReadOnlyCollection<string> StopStrings { get; init; } = [];

    /// <summary>Dtype of the KV cache: F32, or BF16 at half the bytes; null for the device's dtype of activations.</summary>
    public DType? KvCacheDType { get; init; }

    internal void Check(bool canDecode)
    {
        if (KvCacheDType is { } dtype)
        {
            KvCache.CheckDType(dtype);
        }
        Require(MaxNewTokens > 0, "max_new_tokens", $"{MaxNewTokens}", "at least 1");
        // A smaller divisor overflows.
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
