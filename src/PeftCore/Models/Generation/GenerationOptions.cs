using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>Options of generation, with the semantics of transformers' generate. Temperature 0 is greedy decoding, which ignores
/// top-k, top-p and min-p, or beam search with several beams.</summary>
/// <example>
/// <code>
/// var greedy = new GenerationOptions { MaxNewTokens = 40 };
/// var sampled = greedy with { Temperature = 0.7f, TopK = 50, Seed = 7 };
/// var beams = greedy with { NumBeams = 4, NoRepeatNgramSize = 3 };
/// </code>
/// </example>
public sealed partial record GenerationOptions
{
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
    public ulong Seed { get; init; } = DefaultSeed.Value;

    /// <summary>Tokens that end the text, such as the end-of-sequence token.</summary>
    public IReadOnlyCollection<int> StopTokens { get; init => field = Given.Value(value); } = [];

    /// <summary>Strings that end the text, which is cut before them. They need a decoder.</summary>
    public IReadOnlyCollection<string> StopStrings { get; init => field = Given.Value(value); } = [];

    /// <summary>Dtype of the KV cache: F32, or BF16 at half the bytes; null for the device's dtype of activations.</summary>
    public DType? KvCacheDType { get; init; }

    /// <summary>Beams: the likeliest beginnings that are continued at once. 1 for greedy decoding or sampling.</summary>
    public int NumBeams { get; init; } = 1;

    /// <summary>Texts that beam search returns, at most <see cref="NumBeams"/>.</summary>
    public int NumReturnSequences { get; init; } = 1;

    /// <summary>Exponent of the length in the score of a beam, Σ ln p / lengthᵖ: above 0 favours long texts, below 0 short ones.</summary>
    public double LengthPenalty { get; init; } = 1;

    /// <summary>When beam search ends. True: once there are as many complete texts as beams. False: once the best beam, at its present
    /// length, does not score above the worst of them. Null, "never" in Hugging Face's files: once it cannot at any length.</summary>
    public bool? EarlyStopping { get; init; } = false;

    /// <summary>No sequence of so many tokens occurs twice in prompt and text; 0 for no limit.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>No stop token before prompt and text have so many tokens; for an encoder-decoder, the text alone.</summary>
    public int MinLength { get; init; }

    /// <summary>No stop token before so many new tokens.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>The token after a first single token, such as the language of mBART's text; null for any.</summary>
    public int? ForcedBosTokenId { get; init; }

    /// <summary>The token at the maximum length; null for any.</summary>
    public int? ForcedEosTokenId { get; init; }

    /// <summary>The options that a model directory sets in generation_config.json, or in config.json where it has none: special tokens,
    /// forced and suppressed tokens, beams, penalties, lengths. Sampling stays off.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="given">Hugging Face's names of fields that are not read, because the caller sets them.</param>
    /// <param name="tell">Receives a sentence about the fields that are used, and one about those without effect.</param>
    /// <exception cref="BadInputException">The directory is no model, or a field is malformed.</exception>
    public static GenerationOptions FromModel(string directory, IReadOnlyCollection<string>? given = null, Action<string>? tell = null) =>
        GenerationDefaults.Read(directory, given ?? [], tell);

    /// <summary>Tokens that never occur in the text.</summary>
    internal IReadOnlyCollection<int> SuppressTokens { get; init; } = [];

    /// <summary>Tokens that do not begin the text.</summary>
    internal IReadOnlyCollection<int> BeginSuppressTokens { get; init; } = [];

    /// <summary>Token sequences that do not occur in the text.</summary>
    internal IReadOnlyCollection<IReadOnlyList<int>> BadWords { get; init; } = [];

    /// <summary>No sequence of so many tokens of the encoder's text occurs in the decoder's; 0 for no limit.</summary>
    internal int EncoderNoRepeatNgramSize { get; init; }

    /// <summary>Samples from the most typical tokens whose probabilities sum to this; 1 for all.</summary>
    internal float TypicalP { get; init; } = 1;

    /// <summary>Maximum tokens of prompt and text; null for <see cref="MaxNewTokens"/> alone.</summary>
    internal int? MaxLength { get; init; }

    /// <summary>The token that an encoder-decoder's text begins with; null if the model's files name none.</summary>
    internal int? DecoderStartTokenId { get; init; }

    /// <summary>The padding token; null if the model's files name none.</summary>
    internal int? PadTokenId { get; init; }
}
