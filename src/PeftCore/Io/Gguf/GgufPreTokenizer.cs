using System.Text.Json.Nodes;

namespace PeftCore.Io.Gguf;

/// <summary>The splits of a text before byte-level BPE, by the name that GGUF files have for them (tokenizer.ggml.pre). The patterns are
/// those of the models' own tokenizer.json.</summary>
/// <param name="Names">Names in files, the first of which is written.</param>
/// <param name="Pattern">The pattern of words; null for GPT-2's.</param>
internal sealed record GgufPreTokenizer(IReadOnlyList<string> Names, string? Pattern)
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Rest = @" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Words = Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", Before = @"[^\r\n\p{L}\p{N}]?";
    private const string WithSlash = @" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly GgufPreTokenizer[] All =
    [
        new(["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "modern-bert", "exaone4"], null),
        new(["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"], Words + @"\p{N}{1,3}|" + Rest)
        {
            IgnoresMerges = true, AddsBos = true,
        },
        new(["qwen2", "deepseek-r1-qwen"], Words + @"\p{N}|" + Rest) { Normalizes = true },
        new(["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"], null) { SplitsDigits = true },
        new(["tekken"], $"{Before}{Upper}*{Lower}+|{Before}{Upper}+{Lower}*|" + @"\p{N}|" + WithSlash)
        {
            IgnoresMerges = true, AddsBos = true,
        },
        new(["gpt-4o", "llama4"], $"{Before}{Upper}*{Lower}+{Contractions}?|{Before}{Upper}+{Lower}*{Contractions}?|" + @"\p{N}{1,3}|"
            + WithSlash),
    ];

    /// <summary>All names.</summary>
    public static string Known => string.Join(", ", All.Select(pre => pre.Names[0]));

    /// <summary>Whether a whole word that is a token is not divided.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>Whether a begin token is put before texts unless the file says otherwise.</summary>
    public bool AddsBos { get; init; }

    /// <summary>Whether every digit is a word.</summary>
    public bool SplitsDigits { get; init; }

    /// <summary>Whether texts are normalised to Unicode's form C.</summary>
    public bool Normalizes { get; init; }

    /// <summary>The splits of a name; null for an unknown one.</summary>
    public static GgufPreTokenizer? Find(string name) => Array.Find(All, pre => pre.Names.Contains(name));

    /// <summary>The splits that a tokenizer.json describes; null if they are none of these.</summary>
    public static GgufPreTokenizer? Of(JsonNode? preTokenizer) =>
        Array.Find(All, pre => JsonNode.DeepEquals(Essence(preTokenizer), Essence(pre.Json)));

    /// <summary>"pre_tokenizer" of tokenizer.json.</summary>
    public JsonObject Json => Pattern is { } pattern
        ? Sequence(new JsonObject
        {
            ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false,
        }, ByteLevel(useRegex: false))
        : SplitsDigits ? Sequence(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, ByteLevel(useRegex: true))
        : ByteLevel(useRegex: true);

    /// <summary>A byte-level step, which is a pre-tokenizer, a decoder and a post-processor.</summary>
    public static JsonObject ByteLevel(bool useRegex) => new()
    {
        ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = useRegex,
    };

    private static JsonObject Sequence(params JsonNode[] steps) =>
        new() { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(steps) };

    /// <summary>What decides: offsets are trimmed or not for the same ids.</summary>
    private static JsonNode? Essence(JsonNode? node)
    {
        var copy = node?.DeepClone();
        foreach (var step in copy is JsonObject one ? one["pretokenizers"] is JsonArray steps ? [.. steps.OfType<JsonObject>()] : [one]
            : Array.Empty<JsonObject>())
        {
            step.Remove("trim_offsets");
        }
        return copy;
    }
}
