using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Sizes and variants of the LLaMA family: Llama 1–3, Mistral, Qwen2 and Qwen3.</summary>
internal sealed record LlamaConfig
{
    // Far above every real model, and low enough that no product of two sizes overflows.
    internal const int MostColumns = 1 << 24, MostRows = 1 << 28;

    /// <summary>"llama", "mistral", "qwen2" or "qwen3".</summary>
    public required string ModelType { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Size of a hidden state.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Size of the MLP's hidden layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    public required int KeyHeads { get; init; }

    /// <summary>Elements of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int MaxLength { get; init; }

    /// <summary>ε of the norms.</summary>
    public float Epsilon { get; init; } = 1e-6f;

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>Scaling of the rotary frequencies.</summary>
    public RopeScaling RopeScaling { get; init; } = new("default");

    /// <summary>Whether the head shares the embedding's table.</summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>Whether q, k and v have biases.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether o has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the MLP's projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether each head of q and k is normalised (Qwen3).</summary>
    public bool QkNorm { get; init; }

    /// <summary>Sliding window: keys that a token attends to in blocks with a window; 0 for no window.</summary>
    public int Window { get; init; }

    /// <summary>The first block with a window.</summary>
    public int FirstWindowLayer { get; init; }

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static LlamaConfig From(ConfigReader config, ICollection<string>? warnings = null)
    {
        string type = config.String("model_type");
        config.Choice("hidden_act", "silu", "silu", "swish");
        int layers = config.Int("num_hidden_layers", min: 1, max: 10_000);
        int length = config.Int("max_position_embeddings", type switch { "llama" => 2048, "mistral" => 131072, _ => 32768 }, min: 1);
        var (heads, keyHeads, headDim) = HeadsOf(config, type);
        var (theta, scaling) = RopeSettings.Read(config, length, warnings);
        var (window, firstWindow) = WindowSettings.Read(config, type, layers, warnings);
        CheckOtherNames(config, type, headDim, theta, warnings);
        bool attentionBias = config.Bool("attention_bias", type == "qwen2");
        if (type == "qwen2" && !attentionBias)
        {
            warnings?.Add(config.Sentence("attention_bias",
                "is false, but q, k and v of qwen2 models always have biases; it is ignored, as in transformers"));
        }
        return new LlamaConfig
        {
            ModelType = type,
            VocabularySize = config.Int("vocab_size", min: 1, max: MostRows),
            HiddenSize = config.Int("hidden_size", min: 1, max: MostColumns),
            IntermediateSize = config.Int("intermediate_size", min: 1, max: MostColumns),
            Layers = layers,
            Heads = heads,
            KeyHeads = keyHeads,
            HeadDim = headDim,
            MaxLength = length,
            Epsilon = (float)config.Float("rms_norm_eps", 1e-6, min: 0, max: 1),
            RopeTheta = theta,
            RopeScaling = scaling,
            TieEmbeddings = config.Bool("tie_word_embeddings", false),
            QkvBias = type == "qwen2" || attentionBias,
            OutputBias = type != "qwen2" && attentionBias,
            MlpBias = config.Bool("mlp_bias", false),
            QkNorm = type == "qwen3",
            Window = window,
            FirstWindowLayer = firstWindow,
        };
    }

    private static (int Heads, int KeyHeads, int HeadDim) HeadsOf(ConfigReader config, string type)
    {
        int hidden = config.Int("hidden_size", min: 1, max: MostColumns);
        int heads = config.Int("num_attention_heads", min: 1, max: MostColumns);
        // An absent field has the family's default; null means the number of query heads.
        int usual = type switch { "mistral" => 8, "qwen2" or "qwen3" => 32, _ => heads };
        int keyHeads = config.Int("num_key_value_heads", config.Names.Contains("num_key_value_heads") || heads % usual != 0 ? heads : usual,
            min: 1);
        if (heads % keyHeads != 0)
        {
            throw config.Error("num_key_value_heads", $"is {keyHeads}, which does not divide the {heads} attention heads");
        }
        int? given = config.IntOrNull("head_dim", min: 2, max: MostColumns) ?? (type == "qwen3" && !config.Names.Contains("head_dim") ? 128
            : null);
        if (given is null && hidden % heads != 0)
        {
            throw config.Error("num_attention_heads",
                $"is {heads}, which does not divide hidden_size = {hidden}; without \"head_dim\" it must");
        }
        int headDim = given ?? hidden / heads;
        if (headDim % 2 != 0)
        {
            throw config.Error("head_dim", $"is {headDim}, but rotary positions turn columns in pairs, so it must be even");
        }
        return (long)heads * headDim <= MostColumns ? (heads, keyHeads, headDim)
            : throw config.Error("num_attention_heads",
                $"is {heads}, with {headDim} elements each more than the {MostColumns} columns that are possible");
    }

    private static void CheckOtherNames(ConfigReader config, string type, int headDim, double theta, ICollection<string>? warnings)
    {
        ForeignFields.Refuse(config, type, type == "qwen3" ? ["use_qk_norm", "qk_norm"] : [],
            ("attention_multiplier", [1 / Math.Sqrt(headDim)]),
            ("query_pre_attn_scalar", [headDim]), ("rotary_dim", [headDim]), ("rotary_emb_base", [theta]), ("rope_base", [theta]),
            ("scale_attn_by_inverse_layer_idx", [0]), ("scale_attn_weights", [1]));
        ForeignFields.Compare(config, warnings, ("hidden_size", ["n_embd", "d_model", "dim"]),
            ("num_hidden_layers", ["n_layer", "n_layers", "num_layers"]),
            ("num_attention_heads", ["n_head", "n_heads"]), ("num_key_value_heads", ["n_kv_heads", "num_kv_heads"]),
            ("max_position_embeddings", ["n_positions"]),
            ("intermediate_size", ["n_inner", "ffn_hidden_size", "ffn_dim"]), ("hidden_act", ["hidden_activation", "activation_function"]),
            ("rms_norm_eps", ["layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon"]));
    }
}
