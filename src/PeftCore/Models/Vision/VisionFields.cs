using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Reads the fields of config.json that vision transformers share.</summary>
internal static class VisionFields
{
    private const int MostLayers = 10_000;

    /// <summary>Number of blocks.</summary>
    public static int Layers(ConfigReader config) => config.Int("num_hidden_layers", 12, min: 1, max: MostLayers);

    /// <summary>The blocks of ViT and DINOv2. The networks of DINOv2 have no dropout of their own.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="names">Names of the modules.</param>
    /// <param name="inner">Size of the hidden layer of the feed-forward networks.</param>
    /// <param name="epsilon">ε of the norms if "layer_norm_eps" is absent.</param>
    public static PreNormSpec Blocks(ConfigReader config, PreNormNames names, int inner, double epsilon) => Checked(config, new PreNormSpec
    {
        HiddenSize = EncoderFields.Columns(config, "hidden_size", 768),
        Heads = EncoderFields.Columns(config, "num_attention_heads", 12),
        IntermediateSize = inner,
        Names = names,
        Epsilon = (float)config.Float("layer_norm_eps", epsilon, min: 0, max: 1),
        Activation = EncoderFields.Activation(config, "hidden_act", "gelu"),
        QkvBias = config.Bool("qkv_bias", true),
        Dropout = EncoderFields.Probability(config, "hidden_dropout_prob", 0),
        ProbabilityDropout = EncoderFields.Probability(config, "attention_probs_dropout_prob", 0),
    });

    /// <summary>Refuses heads that do not divide the hidden size.</summary>
    public static PreNormSpec Checked(ConfigReader config, PreNormSpec spec) => spec.HiddenSize % spec.Heads == 0 ? spec
        : throw config.Error("num_attention_heads", $"is {spec.Heads}, which does not divide hidden_size = {spec.HiddenSize}");
}
