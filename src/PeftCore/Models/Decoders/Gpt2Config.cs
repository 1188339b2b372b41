using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Sizes of a GPT-2 model.</summary>
internal sealed record Gpt2Config(int VocabularySize, int HiddenSize, int InnerSize, int Layers, int Heads, int MaxLength, float Epsilon,
    string Activation,
    bool ScaleByLayer, bool TieEmbeddings)
{
    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static Gpt2Config From(ConfigReader config, ICollection<string>? warnings = null)
    {
        int hidden = Named(config, "n_embd", "hidden_size", max: LlamaConfig.MostColumns / 4);
        int heads = Named(config, "n_head", "num_attention_heads", max: LlamaConfig.MostColumns);
        int length = Named(config, "n_positions", "max_position_embeddings", 1024, LlamaConfig.MostRows);
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
        return new Gpt2Config(config.Int("vocab_size", min: 1, max: LlamaConfig.MostRows), hidden,
            config.IntOrNull("n_inner", min: 1, max: LlamaConfig.MostColumns) ?? 4 * hidden,
            Named(config, "n_layer", "num_hidden_layers", max: 10_000), heads, length,
            (float)config.Float("layer_norm_epsilon", 1e-5, min: 0, max: 1),
            config.Choice("activation_function", "gelu_new", "gelu_new", "gelu_pytorch_tanh", "gelu", "relu"),
            config.Bool("scale_attn_by_inverse_layer_idx", false), config.Bool("tie_word_embeddings", true));
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
