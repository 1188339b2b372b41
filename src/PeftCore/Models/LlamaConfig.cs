using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Sizes and variants of the LLaMA family: Llama 1–3, Mistral, Qwen2 and Qwen3.</summary>
public sealed record LlamaConfig
{
    /// <summary>Where the configuration does not say.</summary>
    private const int DefaultWindow = 4096;

    /// <summary>"llama", "mistral", "qwen2" or "qwen3".</summary>
    public required string ModelType { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Columns of hidden states.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Columns inside the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    public required int KeyHeads { get; init; }

    /// <summary>Elements a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int MaxLength { get; init; }

    /// <summary>ε of the norms.</summary>
    public float Epsilon { get; init; } = 1e-6f;

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How rotary frequencies are stretched.</summary>
    public RopeScaling RopeScaling { get; init; } = new("default");

    /// <summary>Whether the head uses the embedding's table.</summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>Whether q, k and v have biases.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether o has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether the MLP's projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether each head of q and k is normalised (Qwen3).</summary>
    public bool QkNorm { get; init; }

    /// <summary>How far back a token sees in blocks that have a window; 0 for all the way.</summary>
    public int Window { get; init; }

    /// <summary>The first block with a window; those before it see all the way.</summary>
    public int FirstWindowLayer { get; init; }

    /// <summary>Reads a config.json.</summary>
    public static LlamaConfig From(ConfigReader config)
    {
        string type = config.String("model_type");
        config.Choice("hidden_act", "silu", "silu", "swish");
        int hidden = config.Int("hidden_size", min: 1);
        int heads = config.Int("num_attention_heads", min: 1);
        int keyHeads = config.Int("num_key_value_heads", heads, min: 1);
        int headDim = config.IntOrNull("head_dim", min: 2) ?? hidden / heads;
        if (headDim % 2 != 0)
        {
            throw config.Error("head_dim", $"is {headDim}, but rotary positions turn columns in pairs, so it must be even");
        }
        if (heads % keyHeads != 0)
        {
            throw config.Error("num_key_value_heads", $"is {keyHeads}, which does not divide the {heads} attention heads");
        }
        bool attentionBias = config.Bool("attention_bias", false);
        return new LlamaConfig
        {
            ModelType = type,
            VocabularySize = config.Int("vocab_size", min: 1),
            HiddenSize = hidden,
            IntermediateSize = config.Int("intermediate_size", min: 1),
            Layers = config.Int("num_hidden_layers", min: 1, max: 10_000),
            Heads = heads,
            KeyHeads = keyHeads,
            HeadDim = headDim,
            MaxLength = config.Int("max_position_embeddings", 2048, min: 1),
            Epsilon = (float)config.Float("rms_norm_eps", 1e-6, min: 0),
            RopeTheta = Rope(config).Theta,
            RopeScaling = Rope(config).Scaling,
            TieEmbeddings = config.Bool("tie_word_embeddings", false),
            QkvBias = type == "qwen2" || attentionBias,
            OutputBias = type != "qwen2" && attentionBias,
            MlpBias = config.Bool("mlp_bias", false),
            QkNorm = type == "qwen3",
            Window = WindowOf(config, type).Window,
            FirstWindowLayer = WindowOf(config, type).FirstLayer,
        };
    }

    /// <summary>Mistral's window is everywhere. Qwen's is off unless asked for, and then starts at a block: max_window_layers counts those without.</summary>
    private static (int Window, int FirstLayer) WindowOf(ConfigReader config, string type)
    {
        bool used = type == "mistral" || (type is "qwen2" or "qwen3" && config.Bool("use_sliding_window", false));
        int? window = config.Names.Contains("sliding_window") ? config.IntOrNull("sliding_window", min: 1) : DefaultWindow;
        if (!used || window is null || type == "mistral")
        {
            return (used ? window ?? 0 : 0, 0);
        }
        if (config.StringsOrNull("layer_types") is not { } types)
        {
            return (window.Value, config.Int("max_window_layers", 28, min: 0));
        }
        int first = Array.IndexOf(types, "sliding_attention");
        if (first >= 0 && types[first..].Any(kind => kind != "sliding_attention"))
        {
            throw config.Error("layer_types", "has blocks with and without a window in turns, which is not supported for this model");
        }
        return first < 0 ? (0, 0) : (window.Value, first);
    }

    /// <summary>New files keep rope_parameters; older ones rope_theta and rope_scaling.</summary>
    private static (double Theta, RopeScaling Scaling) Rope(ConfigReader config)
    {
        var parameters = config.ObjectOrNull("rope_parameters") ?? config.ObjectOrNull("rope_scaling");
        double theta = parameters?.FloatOrNull("rope_theta", min: 1) ?? config.Float("rope_theta", 10000, min: 1);
        if (parameters is null)
        {
            return (theta, new RopeScaling("default"));
        }
        string type = parameters.Choice(parameters.Has("rope_type") ? "rope_type" : "type", "default", "default", "linear", "llama3");
        return type switch
        {
            "linear" => (theta, new RopeScaling(type, (float)parameters.Float("factor", min: 1))),
            "llama3" => (theta, new RopeScaling(type, (float)parameters.Float("factor", min: 1), (float)parameters.Float("low_freq_factor"),
                (float)parameters.Float("high_freq_factor"), parameters.Int("original_max_position_embeddings", min: 1))),
            _ => (theta, new RopeScaling("default")),
        };
    }
}
