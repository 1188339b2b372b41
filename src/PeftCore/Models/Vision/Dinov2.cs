using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>DINOv2 (Oquab et al. 2023): a vision transformer with layer scale and, in the largest model, gated feed-forward networks. It
/// reads pictures of any size, with interpolated positions.</summary>
internal static class Dinov2
{
    private const int Multiple = 8;

    private static readonly PreNormNames Names = new()
    {
        AttentionNorm = "norm1",
        Query = "attention.attention.query",
        Key = "attention.attention.key",
        Value = "attention.attention.value",
        Output = "attention.output.dense",
        AttentionScale = "layer_scale1",
        MlpNorm = "norm2",
        MlpScale = "layer_scale2",
    };

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static VisionSpec Read(ConfigReader config)
    {
        EncoderFields.Refuse(config);
        if (config.Float("drop_path_rate", 0, min: 0, max: 1) is > 0 and var rate)
        {
            throw config.Error("drop_path_rate", $"is {rate}, which leaves whole sublayers out in training and is not " +
                "supported; set it to 0");
        }
        bool gated = config.Bool("use_swiglu_ffn", false);
        int hidden = EncoderFields.Columns(config, "hidden_size", 768);
        int inner = (int)Math.Min(int.MaxValue / 4, hidden * config.Float("mlp_ratio", 4, min: 0.001, max: 1000));
        inner = gated ? ((int)(inner * 2L / 3) + Multiple - 1) / Multiple * Multiple : inner;
        var names = gated ? Names with { Up = "mlp.weights_in", Down = "mlp.weights_out" } : Names;
        var blocks = VisionFields.Blocks(config, names, inner, 1e-6);
        return new VisionSpec
        {
            ModelType = config.String("model_type"),
            Body = "dinov2",
            Picture = PictureSpec.Read(config, interpolates: true, side: 224, patch: 14),
            Blocks = gated ? blocks with { Gated = true, Activation = "silu" } : blocks,
            Layers = VisionFields.Layers(config),
            LayersPath = "encoder.layer",
            HasMaskToken = config.Bool("use_mask_token", true),
            PoolsPatches = true,
        };
    }
}
