using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Sizes of Whisper: those of the stacks, and of the spectrogram before them.</summary>
/// <param name="Stacks">The stacks, with the blocks of BART.</param>
/// <param name="MelBins">Mel filters of a frame.</param>
/// <param name="SourcePositions">Hidden states of the encoder: half of the spectrogram's frames.</param>
/// <param name="Augment">Masks in training; null for none.</param>
internal sealed record WhisperConfig(BartConfig Stacks, int MelBins, int SourcePositions, SpecAugment? Augment)
{
    /// <summary>Frames of a spectrogram, which the second convolution halves.</summary>
    public int Frames => 2 * SourcePositions;

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each field without effect here.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static WhisperConfig Read(ConfigReader config, ICollection<string>? warnings)
    {
        Seq2SeqFields.Refuse(config, "whisper");
        int vocabulary = config.Int("vocab_size", 51865, min: 1, max: DecoderFields.MostRows);
        int hidden = config.Int("d_model", 384, min: 1, max: DecoderFields.MostColumns);
        if (hidden % 2 != 0 || hidden < 4)
        {
            throw config.Error("d_model", $"is {hidden}, but sines and cosines have half of the columns each, so it must be even, at least 4");
        }
        if (config.Bool("scale_embedding", false))
        {
            warnings?.Add(config.Sentence("scale_embedding", "is true, but Whisper does not scale embeddings; it is ignored, as in transformers"));
        }
        BartConfig.WarnOfLayerDrop(config, warnings);
        ForeignFields.Compare(config, warnings, ("d_model", ["hidden_size", "n_embd"]),
            ("encoder_layers", ["num_hidden_layers", "num_layers"]), ("encoder_attention_heads", ["num_attention_heads", "num_heads"]),
            ("max_target_positions", ["max_position_embeddings", "n_positions"]),
            ("activation_function", ["hidden_act", "hidden_activation"]));
        var stacks = new BartConfig
        {
            ModelType = "whisper",
            Variant = new BartVariant(BartPositions.Learned, NormFirst: true, NormEmbedding: false, KeyBias: false),
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            Encoder = BartConfig.Stack(config, "encoder", hidden, layers: 4, heads: 6, inner: 1536),
            Decoder = BartConfig.Stack(config, "decoder", hidden, layers: 4, heads: 6, inner: 1536),
            MaxLength = config.Int("max_target_positions", 448, min: 1, max: DecoderFields.MostRows),
            Activation = config.Choice("activation_function", "gelu", [.. Activations.Names]),
            TieEmbeddings = config.Bool("tie_word_embeddings", true),
            Dropout = DecoderFields.Dropout(config, "dropout", 0),
            AttentionDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
            ActivationDropout = DecoderFields.Dropout(config, "activation_dropout", 0),
            PadToken = Seq2SeqFields.Token(config, "pad_token_id", Math.Min(50256, vocabulary - 1), vocabulary),
            StartToken = Seq2SeqFields.Token(config, "decoder_start_token_id", Math.Min(50257, vocabulary - 1), vocabulary),
        };
        return new WhisperConfig(stacks, config.Int("num_mel_bins", 80, min: 1, max: 1024),
            config.Int("max_source_positions", 1500, min: 1, max: DecoderFields.MostRows), SpecAugment.Read(config, fallback: false));
    }
}
