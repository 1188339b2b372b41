using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Reads the fields of config.json that BERT and its relatives share.</summary>
internal static class EncoderFields
{
    private const int MostRows = 1 << 24;
    private const int MostColumns = 1 << 20;
    private const int MostLayers = 10_000;

    // What an encoder reads under these names, or does not depend on.
    private static readonly string[] Own = ["position_embedding_type", "is_causal"];

    /// <summary>The fields of a BERT-like configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="body">The name of the bare model inside a model with a head.</param>
    /// <param name="head">Adds the layers of the head of a task.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config, string body, Action<HeadLayers, EncoderSpec, TaskSpec> head)
    {
        Refuse(config);
        int hidden = Columns(config, "hidden_size"), positions = Rows(config, "max_position_embeddings", 512);
        int vocabulary = Rows(config, "vocab_size");
        float dropout = Probability(config, "hidden_dropout_prob", 0.1);
        var spec = new EncoderSpec
        {
            ModelType = config.String("model_type"),
            Body = body,
            Head = head,
            VocabularySize = vocabulary,
            PaddingToken = PaddingToken(config, 0, vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = config.IntOrNull("embedding_size", min: 1, max: MostColumns) ?? hidden,
            IntermediateSize = Columns(config, "intermediate_size"),
            Layers = config.Int("num_hidden_layers", min: 1, max: MostLayers),
            Heads = Columns(config, "num_attention_heads"),
            MaxLength = positions,
            PositionRows = positions,
            TokenTypes = config.Int("type_vocab_size", 2, min: 0, max: MostRows),
            Epsilon = (float)config.Float("layer_norm_eps", 1e-12, min: 0, max: 1),
            Activation = Activation(config, "hidden_act", "gelu"),
            Dropout = dropout,
            ProbabilityDropout = Probability(config, "attention_probs_dropout_prob", 0.1),
            HeadDropout = ProbabilityOrNull(config, "classifier_dropout") ?? dropout,
            TieEmbeddings = config.Bool("tie_word_embeddings", true),
        };
        return Checked(config, spec, "num_attention_heads", "hidden_size");
    }

    /// <summary>Refuses heads that do not divide the hidden size.</summary>
    public static EncoderSpec Checked(ConfigReader config, EncoderSpec spec, string heads, string hidden) =>
        spec.HiddenSize % spec.Heads == 0 ? spec
        : throw config.Error(heads, $"is {spec.Heads}, which does not divide {hidden} = {spec.HiddenSize}");

    /// <summary>Refuses what no encoder here has.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="own">Further names that the family reads.</param>
    public static void Refuse(ConfigReader config, params ReadOnlySpan<string> own)
    {
        ForeignFields.Refuse(config, config.String("model_type"), [.. Own, .. own], ("is_decoder", [0]));
        if (config.StringOrNull("position_embedding_type") is { } kind and not "absolute")
        {
            throw config.Error("position_embedding_type", $"is \"{kind}\", which is not supported; expected \"absolute\"");
        }
    }

    /// <summary>The padding token.</summary>
    public static int PaddingToken(ConfigReader config, int fallback, int vocabulary) =>
        config.Int("pad_token_id", fallback, min: 0, max: vocabulary - 1);

    /// <summary>A number of rows of a table.</summary>
    public static int Rows(ConfigReader config, string name, int? fallback = null) => config.Int(name, fallback, min: 1, max: MostRows);

    /// <summary>A size of a vector.</summary>
    public static int Columns(ConfigReader config, string name, int? fallback = null) =>
        config.Int(name, fallback, min: 1, max: MostColumns);

    /// <summary>A probability of dropout.</summary>
    public static float Probability(ConfigReader config, string name, double fallback) =>
        ProbabilityOrNull(config, name) ?? (float)fallback;

    /// <summary>A probability of dropout; null if absent.</summary>
    public static float? ProbabilityOrNull(ConfigReader config, string name)
    {
        float? p = (float?)config.FloatOrNull(name, min: 0, max: 1);
        return p is 1 ? throw config.Error(name, "is 1, which drops everything; expected a number below 1") : p;
    }

    /// <summary>The name of an activation.</summary>
    public static string Activation(ConfigReader config, string name, string fallback) =>
        config.Choice(name, fallback, [.. Activations.Names]);
}
