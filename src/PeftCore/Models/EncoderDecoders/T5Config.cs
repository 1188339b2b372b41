using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Sizes and variants of T5 and mT5.</summary>
internal sealed record T5Config
{
    /// <summary>"t5" or "mt5".</summary>
    public required string ModelType { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Size of a hidden state.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Size of the feed-forward network's hidden layer.</summary>
    public required int InnerSize { get; init; }

    /// <summary>Blocks of the encoder.</summary>
    public required int EncoderLayers { get; init; }

    /// <summary>Blocks of the decoder.</summary>
    public required int DecoderLayers { get; init; }

    /// <summary>Heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Size of a head, which need not be hidden size / heads.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Buckets of relative positions.</summary>
    public int Buckets { get; init; } = 32;

    /// <summary>The distance from which on all pairs share a bucket.</summary>
    public int MaxDistance { get; init; } = 128;

    /// <summary>Probability of dropout.</summary>
    public float Dropout { get; init; }

    /// <summary>ε of the norms.</summary>
    public float Epsilon { get; init; } = 1e-6f;

    /// <summary>The activation.</summary>
    public string Activation { get; init; } = "relu";

    /// <summary>Whether the activation gates a second projection.</summary>
    public bool Gated { get; init; }

    /// <summary>Whether the head shares the embedding's table.</summary>
    public bool TieEmbeddings { get; init; } = true;

    /// <summary>Whether the head's input is multiplied by 1/√hidden size.</summary>
    public bool ScaleHead { get; init; } = true;

    /// <summary>The padding token.</summary>
    public int PadToken { get; init; }

    /// <summary>The first token of the decoder.</summary>
    public int StartToken { get; init; }

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static T5Config Read(ConfigReader config, ICollection<string>? warnings)
    {
        string type = config.String("model_type");
        int layers = config.Int("num_layers", 6, min: 1, max: DecoderFields.MostLayers);
        int vocabulary = config.Int("vocab_size", 32128, min: 1, max: DecoderFields.MostRows);
        var (activation, gated) = FeedForward(config, type == "mt5" ? "gated-gelu" : "relu", warnings);
        bool tied = config.Bool("tie_word_embeddings", true);
        Seq2SeqFields.Refuse(config, type);
        ForeignFields.Compare(config, warnings, ("d_model", ["hidden_size", "n_embd"]), ("num_heads", ["num_attention_heads"]),
            ("num_layers", ["num_hidden_layers", "n_layer"]), ("d_ff", ["intermediate_size"]),
            ("layer_norm_epsilon", ["layer_norm_eps", "rms_norm_eps"]));
        var read = new T5Config
        {
            ModelType = type,
            VocabularySize = vocabulary,
            HiddenSize = config.Int("d_model", 512, min: 1, max: DecoderFields.MostColumns),
            InnerSize = config.Int("d_ff", type == "mt5" ? 1024 : 2048, min: 1, max: DecoderFields.MostColumns),
            EncoderLayers = layers,
            DecoderLayers = config.IntOrNull("num_decoder_layers", min: 1, max: DecoderFields.MostLayers) ?? layers,
            Heads = config.Int("num_heads", type == "mt5" ? 6 : 8, min: 1, max: DecoderFields.MostColumns),
            HeadDim = config.Int("d_kv", 64, min: 1, max: DecoderFields.MostColumns),
            Buckets = config.Int("relative_attention_num_buckets", 32, min: 4, max: 1 << 20),
            MaxDistance = config.Int("relative_attention_max_distance", 128, min: 2),
            Dropout = DecoderFields.Dropout(config, "dropout_rate", 0.1),
            Epsilon = (float)config.Float("layer_norm_epsilon", 1e-6, min: 0, max: 1),
            Activation = activation,
            Gated = gated,
            TieEmbeddings = tied,
            // transformers 4 scaled what was tied; mT5 was always published untied, and transformers 5 never scales it.
            ScaleHead = config.Bool("scale_decoder_outputs", tied && type == "t5"),
            PadToken = Seq2SeqFields.Token(config, "pad_token_id", 0, vocabulary),
            StartToken = Seq2SeqFields.Token(config, "decoder_start_token_id", config.IntOrNull("pad_token_id") ?? 0, vocabulary),
        };
        read.Check(config);
        return read;
    }

    private void Check(ConfigReader config)
    {
        if ((long)Heads * HeadDim > DecoderFields.MostColumns)
        {
            throw config.Error("num_heads",
                $"is {Heads}, with {HeadDim} elements each more than the {DecoderFields.MostColumns} columns that are possible");
        }
        if (Buckets % 2 != 0)
        {
            throw config.Error("relative_attention_num_buckets",
                $"is {Buckets}; the encoder has half of the buckets for each direction, so it must be even");
        }
        if (MaxDistance <= Buckets / 2)
        {
            throw config.Error("relative_attention_max_distance",
                $"is {MaxDistance}, but {Buckets / 2} distances have a bucket each; expected more");
        }
    }

    /// <summary>"relu", or "gated-gelu" for GELU with tanh and a gate (Shazeer 2020). dense_act_fn and is_gated_act say the same, and count
    /// where they differ, as in transformers.</summary>
    private static (string Activation, bool Gated) FeedForward(ConfigReader config, string usual, ICollection<string>? warnings)
    {
        const string Field = "feed_forward_proj", Prefix = "gated-";
        string text = config.String(Field, usual);
        bool gated = text.StartsWith(Prefix, StringComparison.Ordinal);
        string name = gated ? text[Prefix.Length..] : text;
        string activation = text == "gated-gelu" ? "gelu_new" : name;
        if (!Activations.Names.Contains(activation))
        {
            throw config.Error(Field,
                $"is \"{text}\", expected an activation, or gated- and an activation, of {string.Join(", ", Activations.Names)}");
        }
        if (config.StringOrNull("dense_act_fn") is { } other && other != activation)
        {
            activation = Activations.Names.Contains(other) ? other
                : throw config.Error("dense_act_fn", $"is \"{other}\", expected one of {string.Join(", ", Activations.Names)}");
            warnings?.Add(config.Sentence(Field, $"is \"{text}\", but \"dense_act_fn\" is \"{other}\", which counts"));
        }
        if (config.Has("is_gated_act") && config.Bool("is_gated_act") != gated)
        {
            gated = !gated;
            warnings?.Add(config.Sentence(Field, $"is \"{text}\", but \"is_gated_act\" is {(gated ? "true" : "false")}, which counts"));
        }
        return (activation, gated);
    }
}
