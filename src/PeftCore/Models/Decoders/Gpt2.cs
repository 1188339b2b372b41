using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>GPT-2 (Radford et al. 2019): learned positions, layer norm before each sublayer, one fused q, k, v projection, weights stored
/// transposed ("Conv1D"), dropout of embeddings and sublayers.</summary>
internal static class Gpt2
{
    private static readonly DecoderNames Names = new()
    {
        Body = "transformer",
        Embedding = "wte",
        Positions = "wpe",
        Layers = "h",
        FinalNorm = "ln_f",
        Attention = "attn",
        Qkv = "c_attn",
        Output = "c_proj",
        Up = "c_fc",
        Down = "c_proj",
        Norms = new BlockNorms("ln_1", "ln_2"),
    };

    /// <summary>The spec of these sizes, with the published activation and no dropout.</summary>
    public static DecoderSpec Of(int vocabulary, int hidden, int inner, int layers, int heads, int length) => new()
    {
        ModelType = "gpt2",
        Names = Names,
        VocabularySize = vocabulary,
        HiddenSize = hidden,
        IntermediateSize = inner,
        Layers = layers,
        Heads = heads,
        KeyHeads = heads,
        HeadDim = hidden / heads,
        MaxLength = length,
        LearnedPositionOffset = 0,
        Norm = NormKind.Layer,
        Epsilon = 1e-5f,
        TransposedWeights = true,
        QkvBias = true,
        OutputBias = true,
        Mlp = MlpKind.Plain,
        MlpBias = true,
        Activation = "gelu_new",
        TieEmbeddings = true,
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings = null)
    {
        int hidden = Named(config, "n_embd", "hidden_size", max: DecoderFields.MostColumns / 4);
        int heads = Named(config, "n_head", "num_attention_heads", max: DecoderFields.MostColumns);
        int length = Named(config, "n_positions", "max_position_embeddings", 1024, DecoderFields.MostRows);
        if (hidden % heads != 0)
        {
            throw config.Error("n_head", $"is {heads}, which does not divide n_embd = {hidden}");
        }
        if (!config.Bool("scale_attn_weights", true))
        {
            throw config.Error("scale_attn_weights", "is false, which is not supported");
        }
        if (config.IntOrNull("n_ctx") is { } context && context != length)
        {
            warnings?.Add(config.Sentence("n_ctx", $"is {context}, but \"n_positions\" is {length}, which counts"));
        }
        ForeignFields.Refuse(config, "gpt2", [], ("rotary_dim", [0]), ("num_key_value_heads", [heads]), ("sliding_window", [0]),
            ("rope_scaling", []), ("rope_parameters", []));
        ForeignFields.Compare(config, warnings, ("n_inner", ["intermediate_size"]),
            ("activation_function", ["hidden_act", "hidden_activation"]),
            ("layer_norm_epsilon", ["layer_norm_eps", "rms_norm_eps"]));
        int vocabulary = config.Int("vocab_size", min: 1, max: DecoderFields.MostRows);
        int inner = config.IntOrNull("n_inner", min: 1, max: DecoderFields.MostColumns) ?? 4 * hidden;
        int layers = Named(config, "n_layer", "num_hidden_layers", max: DecoderFields.MostLayers);
        float scale = 1 / MathF.Sqrt(hidden / heads);
        float residual = DecoderFields.Dropout(config, "resid_pdrop", 0.1);
        return Of(vocabulary, hidden, inner, layers, heads, length) with
        {
            Epsilon = (float)config.Float("layer_norm_epsilon", 1e-5, min: 0, max: 1),
            Activation = config.Choice("activation_function", "gelu_new", [.. Activations.Names]),
            AttentionScale = config.Bool("scale_attn_by_inverse_layer_idx", false)
                ? new PerLayer<float>(Enumerable.Range(1, layers).Select(number => scale / number)) : null,
            TieEmbeddings = config.Bool("tie_word_embeddings", true),
            EmbeddingDropout = DecoderFields.Dropout(config, "embd_pdrop", 0.1),
            AttentionDropout = residual,
            MlpDropout = residual,
            ProbabilityDropout = DecoderFields.Dropout(config, "attn_pdrop", 0.1),
        };
    }

    /// <summary>A size under GPT-2's name or the common one, which transformers treats as the same field.</summary>
    private static int Named(ConfigReader config, string own, string common, int? fallback = null, int max = int.MaxValue)
    {
        int? second = config.IntOrNull(common, min: 1, max: max);
        int value = config.Int(own, second ?? fallback, min: 1, max: max);
        return second is null || second == value ? value
            : throw config.Error(own, $"is {value}, but \"{common}\", another name of the same size, is {second}; keep one of them");
    }
}
