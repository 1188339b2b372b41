using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Models;

/// <summary>One convolution of wav2vec 2.0's feature encoder.</summary>
/// <param name="Channels">Channels of its output.</param>
/// <param name="Kernel">Size of the kernel.</param>
/// <param name="Stride">Step of the kernel.</param>
internal sealed record FeatureConvolution(int Channels, int Kernel, int Stride);

/// <summary>Sizes and switches of wav2vec 2.0 and XLS-R.</summary>
internal sealed record Wav2Vec2Config
{
    /// <summary>Symbols of the head, the blank included.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Size of a hidden state.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Size of the feed-forward network's hidden layer.</summary>
    public required int InnerSize { get; init; }

    /// <summary>The feature encoder.</summary>
    public required IReadOnlyList<FeatureConvolution> Convolutions { get; init; }

    /// <summary>Whether every convolution has a layer norm (XLS-R); otherwise the first has a group norm over time.</summary>
    public bool NormsEachConvolution { get; init; }

    /// <summary>Whether the convolutions of the feature encoder have biases.</summary>
    public bool ConvolutionBias { get; init; }

    /// <summary>The activation of the convolutions.</summary>
    public required string FeatureActivation { get; init; }

    /// <summary>The activation of the blocks.</summary>
    public required string Activation { get; init; }

    /// <summary>Size of the positional convolution's kernel.</summary>
    public int PositionKernel { get; init; }

    /// <summary>Groups of the positional convolution.</summary>
    public int PositionGroups { get; init; }

    /// <summary>Whether each sublayer has its norm before it ("stable layer norm"), and the encoder one after its last block.</summary>
    public bool NormFirst { get; init; }

    /// <summary>ε of the norms of the blocks.</summary>
    public float Epsilon { get; init; }

    /// <summary>Probability of dropout of the projected features.</summary>
    public float FeatureDropout { get; init; }

    /// <summary>Probability of dropout of embeddings and sublayers.</summary>
    public float Dropout { get; init; }

    /// <summary>Probability of dropout of attention probabilities.</summary>
    public float AttentionDropout { get; init; }

    /// <summary>Probability of dropout of the feed-forward network's hidden layer.</summary>
    public float ActivationDropout { get; init; }

    /// <summary>Probability of dropout before the head.</summary>
    public float FinalDropout { get; init; }

    /// <summary>Whether the model has the vector that replaces masked frames.</summary>
    public bool HasMaskVector { get; init; }

    /// <summary>Masks in training; null for none.</summary>
    public SpecAugment? Augment { get; init; }

    /// <summary>The loss.</summary>
    public CtcSettings Ctc { get; init; }

    /// <summary>Frames of a recording: each convolution makes ⌊(n − kernel)/stride⌋ + 1 of n.</summary>
    public int FramesOf(int samples) => Convolutions.Aggregate(samples,
        (n, conv) => n < conv.Kernel ? 0 : (n - conv.Kernel) / conv.Stride + 1);

    /// <summary>The fewest samples that make a number of frames.</summary>
    public int SamplesFor(int frames) => Convolutions.Reverse().Aggregate(frames, (n, conv) => (n - 1) * conv.Stride + conv.Kernel);

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each field without effect here.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static Wav2Vec2Config Read(ConfigReader config, ICollection<string>? warnings)
    {
        ForeignFields.Refuse(config, "wav2vec2", ["is_causal"], ("add_adapter", [0]), ("adapter_attn_dim", []));
        int vocabulary = config.Int("vocab_size", 32, min: 1, max: DecoderFields.MostRows);
        int hidden = config.Int("hidden_size", 768, min: 1, max: DecoderFields.MostColumns);
        var time = SpecSpans.Read(config, "mask_time", 0.05, 2);
        var features = SpecSpans.Read(config, "mask_feature", 0, 0);
        if (config.Float("layerdrop", 0.1, min: 0, max: 1) is var p and > 0)
        {
            warnings?.Add(config.Sentence("layerdrop", FormattableString.Invariant($"is {p}: no block is left out in training here")));
        }
        return new Wav2Vec2Config
        {
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            Layers = config.Int("num_hidden_layers", 12, min: 1, max: DecoderFields.MostLayers),
            Heads = Divisor(config, "num_attention_heads", 12, "hidden_size", hidden),
            InnerSize = config.Int("intermediate_size", 3072, min: 1, max: DecoderFields.MostColumns),
            Convolutions = ConvolutionsIn(config),
            NormsEachConvolution = config.Choice("feat_extract_norm", "group", "group", "layer") == "layer",
            ConvolutionBias = config.Bool("conv_bias", false),
            FeatureActivation = config.Choice("feat_extract_activation", "gelu", [.. Activations.Names]),
            Activation = config.Choice("hidden_act", "gelu", [.. Activations.Names]),
            PositionKernel = config.Int("num_conv_pos_embeddings", 128, min: 1, max: 1 << 16),
            PositionGroups = Divisor(config, "num_conv_pos_embedding_groups", 16, "hidden_size", hidden),
            NormFirst = config.Bool("do_stable_layer_norm", false),
            Epsilon = (float)config.Float("layer_norm_eps", 1e-5, min: 0, max: 1),
            FeatureDropout = DecoderFields.Dropout(config, "feat_proj_dropout", 0),
            Dropout = DecoderFields.Dropout(config, "hidden_dropout", 0.1),
            AttentionDropout = DecoderFields.Dropout(config, "attention_dropout", 0.1),
            ActivationDropout = DecoderFields.Dropout(config, "activation_dropout", 0.1),
            FinalDropout = DecoderFields.Dropout(config, "final_dropout", 0.1),
            HasMaskVector = time.Probability > 0 || features.Probability > 0,
            Augment = SpecAugment.Read(config, fallback: true),
            Ctc = new CtcSettings(Seq2SeqFields.Token(config, "pad_token_id", 0, vocabulary),
                config.Choice("ctc_loss_reduction", "sum", "sum", "mean") == "mean", config.Bool("ctc_zero_infinity", false)),
        };
    }

    private static int Divisor(ConfigReader config, string name, int fallback, string whole, int size)
    {
        int value = config.Int(name, fallback, min: 1, max: DecoderFields.MostColumns);
        return size % value == 0 ? value : throw config.Error(name, $"is {value}, which does not divide {whole} = {size}");
    }

    private static FeatureConvolution[] ConvolutionsIn(ConfigReader config)
    {
        int[] channels = config.IntsOrNull("conv_dim") ?? [512, 512, 512, 512, 512, 512, 512];
        int[] kernels = config.IntsOrNull("conv_kernel") ?? [10, 3, 3, 3, 3, 2, 2];
        int[] strides = config.IntsOrNull("conv_stride") ?? [5, 2, 2, 2, 2, 2, 2];
        if (channels.Length == 0 || kernels.Length != channels.Length || strides.Length != channels.Length)
        {
            throw config.Error("conv_dim", $"has {channels.Length} convolutions, \"conv_kernel\" {kernels.Length} and \"conv_stride\" " +
                $"{strides.Length}; expected the same number in all three, at least 1");
        }
        if (config.Has("num_feat_extract_layers") && config.Int("num_feat_extract_layers") != channels.Length)
        {
            throw config.Error("num_feat_extract_layers",
                $"is {config.Int("num_feat_extract_layers")}, but \"conv_dim\" has {channels.Length} entries");
        }
        foreach (var (name, values, most) in (ReadOnlySpan<(string, int[], int)>)[("conv_dim", channels, DecoderFields.MostColumns),
            ("conv_kernel", kernels, 1 << 16), ("conv_stride", strides, 1 << 16)])
        {
            if (Array.Find(values, value => value < 1 || value > most) is var wrong && values.Contains(wrong)
                && (wrong < 1 || wrong > most))
            {
                throw config.Error(name, $"holds {wrong}, expected numbers from 1 to {most}");
            }
        }
        return [.. channels.Select((count, i) => new FeatureConvolution(count, kernels[i], strides[i]))];
    }
}
