using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Positions of BART's relatives.</summary>
internal enum BartPositions
{
    /// <summary>A trained table whose first two rows are unused.</summary>
    Learned,

    /// <summary>Sines and cosines.</summary>
    Sinusoidal,
}

/// <summary>Variants of BART, by model_type.</summary>
/// <param name="Positions">Positions.</param>
/// <param name="NormFirst">Whether each sublayer has its norm before it, and each stack one after its last block.</param>
/// <param name="NormEmbedding">Whether there is a norm after the embedding.</param>
/// <param name="StartsWithLast">Whether the decoder reads the last token of a target text first: the language of mBART.</param>
/// <param name="KeyBias">Whether the projections to keys have a bias, which Whisper's do not.</param>
internal sealed record BartVariant(BartPositions Positions, bool NormFirst, bool NormEmbedding, bool StartsWithLast = false,
    bool KeyBias = true)
{
    /// <summary>The variant of a model_type.</summary>
    public static BartVariant Of(string type) => type switch
    {
        "mbart" => new(BartPositions.Learned, NormFirst: true, NormEmbedding: true, StartsWithLast: true),
        "pegasus" => new(BartPositions.Sinusoidal, NormFirst: true, NormEmbedding: false),
        _ => new(BartPositions.Learned, NormFirst: false, NormEmbedding: true),
    };
}

/// <summary>Sizes of one stack.</summary>
/// <param name="Layers">Blocks.</param>
/// <param name="Heads">Heads.</param>
/// <param name="InnerSize">Size of the feed-forward network's hidden layer.</param>
internal sealed record BartStackSizes(int Layers, int Heads, int InnerSize);

/// <summary>Sizes of BART, mBART and Pegasus.</summary>
internal sealed record BartConfig
{
    // torch's default for layer norm, which these families do not change.
    public const float Epsilon = 1e-5f;

    /// <summary>"bart", "mbart" or "pegasus".</summary>
    public required string ModelType { get; init; }

    /// <summary>The differences between them.</summary>
    public required BartVariant Variant { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Size of a hidden state.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The encoder.</summary>
    public required BartStackSizes Encoder { get; init; }

    /// <summary>The decoder.</summary>
    public required BartStackSizes Decoder { get; init; }

    /// <summary>Longest source and target text.</summary>
    public required int MaxLength { get; init; }

    /// <summary>The activation.</summary>
    public string Activation { get; init; } = "gelu";

    /// <summary>Whether embeddings are multiplied by √hidden size.</summary>
    public bool ScaleEmbedding { get; init; }

    /// <summary>Whether the head shares the embedding's table.</summary>
    public bool TieEmbeddings { get; init; } = true;

    /// <summary>Probability of dropout of embeddings and sublayers.</summary>
    public float Dropout { get; init; }

    /// <summary>Probability of dropout of attention probabilities.</summary>
    public float AttentionDropout { get; init; }

    /// <summary>Probability of dropout of the feed-forward network's hidden layer.</summary>
    public float ActivationDropout { get; init; }

    /// <summary>The padding token.</summary>
    public int PadToken { get; init; }

    /// <summary>The first token of the decoder.</summary>
    public int StartToken { get; init; }

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static BartConfig Read(ConfigReader config, ICollection<string>? warnings)
    {
        string type = config.String("model_type");
        var variant = BartVariant.Of(type);
        int vocabulary = config.Int("vocab_size", 50265, min: 1, max: DecoderFields.MostRows);
        int hidden = config.Int("d_model", 1024, min: 1, max: DecoderFields.MostColumns);
        if (variant.Positions == BartPositions.Sinusoidal && hidden % 2 != 0)
        {
            throw config.Error("d_model", $"is {hidden}, but sines and cosines have half of the columns each, so it must be even");
        }
        Seq2SeqFields.Refuse(config, type);
        Compare(config, variant, warnings);
        return new BartConfig
        {
            ModelType = type,
            Variant = variant,
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            Encoder = Stack(config, "encoder", hidden, layers: 12, heads: 16, inner: 4096),
            Decoder = Stack(config, "decoder", hidden, layers: 12, heads: 16, inner: 4096),
            MaxLength = config.Int("max_position_embeddings", 1024, min: 1, max: DecoderFields.MostRows),
            Activation = config.Choice("activation_function", "gelu", [.. Activations.Names]),
            ScaleEmbedding = config.Bool("scale_embedding", false),
            TieEmbeddings = config.Bool("tie_word_embeddings", true),
            Dropout = DecoderFields.Dropout(config, "dropout", 0.1),
            AttentionDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
            ActivationDropout = DecoderFields.Dropout(config, "activation_dropout", 0),
            PadToken = Seq2SeqFields.Token(config, "pad_token_id", type == "pegasus" ? 0 : 1, vocabulary),
            StartToken = Seq2SeqFields.Token(config, "decoder_start_token_id", type == "pegasus" ? 0 : 2, vocabulary),
        };
    }

    /// <summary>Reads the sizes of one stack.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="name">"encoder" or "decoder".</param>
    /// <param name="hidden">Size of a hidden state.</param>
    /// <param name="layers">Blocks if the field is absent.</param>
    /// <param name="heads">Heads if the field is absent.</param>
    /// <param name="inner">Size of the feed-forward network's hidden layer if the field is absent.</param>
    public static BartStackSizes Stack(ConfigReader config, string name, int hidden, int layers, int heads, int inner)
    {
        heads = config.Int(name + "_attention_heads", heads, min: 1, max: DecoderFields.MostColumns);
        if (hidden % heads != 0)
        {
            throw config.Error(name + "_attention_heads", $"is {heads}, which does not divide d_model = {hidden}");
        }
        return new BartStackSizes(config.Int(name + "_layers", layers, min: 1, max: DecoderFields.MostLayers), heads,
            config.Int(name + "_ffn_dim", inner, min: 1, max: DecoderFields.MostColumns));
    }

    /// <summary>Warns of fields that transformers does not read and that say something else than the family does.</summary>
    private static void Compare(ConfigReader config, BartVariant variant, ICollection<string>? warnings)
    {
        ReadOnlySpan<(string Name, bool Value)> fixedFields =
        [
            ("normalize_before", variant.NormFirst), ("add_final_layer_norm", variant.NormFirst),
            ("normalize_embedding", variant.NormEmbedding), ("static_position_embeddings", variant.Positions == BartPositions.Sinusoidal),
        ];
        foreach (var (name, value) in fixedFields)
        {
            if (config.Has(name) && config.Bool(name) != value)
            {
                warnings?.Add(config.Sentence(name, $"is {(value ? "false" : "true")}, but models of this family always have " +
                    $"{(value ? "true" : "false")} there; it is ignored, as in transformers"));
            }
        }
        WarnOfLayerDrop(config, warnings);
        ForeignFields.Compare(config, warnings, ("d_model", ["hidden_size", "n_embd"]),
            ("encoder_layers", ["num_hidden_layers", "num_layers"]), ("encoder_attention_heads", ["num_attention_heads", "num_heads"]),
            ("max_position_embeddings", ["n_positions"]), ("activation_function", ["hidden_act", "hidden_activation"]));
    }

    /// <summary>Warns of dropped blocks.</summary>
    public static void WarnOfLayerDrop(ConfigReader config, ICollection<string>? warnings)
    {
        foreach (string name in (string[])["encoder_layerdrop", "decoder_layerdrop"])
        {
            if (config.Float(name, 0, min: 0, max: 1) is var p and > 0)
            {
                warnings?.Add(config.Sentence(name, FormattableString.Invariant($"is {p}: no block is left out in training here")));
            }
        }
    }
}
