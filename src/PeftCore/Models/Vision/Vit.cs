using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>ViT (Dosovitskiy et al. 2021). transformers 5 renamed its modules; weight files keep the names of version 4.</summary>
internal static class Vit
{
    private static readonly RenamedModules Renamed = new("encoder.layer", "layers",
    [
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
    ]);

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static VisionSpec Read(ConfigReader config, TaskSpec task)
    {
        EncoderFields.Refuse(config);
        var blocks = VisionFields.Blocks(config, new PreNormNames(), EncoderFields.Columns(config, "intermediate_size", 3072), 1e-12);
        return new VisionSpec
        {
            ModelType = config.String("model_type"),
            Body = "vit",
            Picture = PictureSpec.Read(config, task.InterpolatesPositions),
            Blocks = blocks,
            Layers = VisionFields.Layers(config),
            PoolerSize = EncoderFields.Columns(config, "pooler_output_size", blocks.HiddenSize),
            PoolerActivation = EncoderFields.Activation(config, "pooler_act", "tanh"),
            Renamed = Renamed,
        };
    }
}
