using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>What LayoutLMv3's configuration says beyond an <see cref="EncoderSpec"/>.</summary>
/// <param name="Encoder">Sizes, boxes and head.</param>
/// <param name="Picture">The picture of a document; null for a model that reads none.</param>
/// <param name="Bias">Biases from distances; null without any.</param>
internal sealed record LayoutLmV3Spec(EncoderSpec Encoder, PictureSpec? Picture, LayoutBiasSpec? Bias)
{
    /// <summary>ε of the norm of the patches.</summary>
    public const float PatchEpsilon = 1e-6f;

    // From this number of classes on, a token is classified by two layers.
    private const int ManyClasses = 10;

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static LayoutLmV3Spec Read(ConfigReader config)
    {
        var spec = EncoderFields.Read(config, "layoutlmv3", Head);
        if (!config.Bool("text_embed", true))
        {
            throw config.Error("text_embed", "is false, which is not supported: documents without text are pictures; expected true");
        }
        int padding = EncoderFields.PaddingToken(config, 1, spec.VocabularySize), longest = spec.PositionRows - padding - 1;
        int coordinate = EncoderFields.Columns(config, "coordinate_size", 128), size = EncoderFields.Columns(config, "shape_size", 128);
        if (4 * coordinate + 2 * size != spec.HiddenSize)
        {
            throw config.Error("coordinate_size", $"is {coordinate} and shape_size {size}, so that a box has " +
                $"4 · {coordinate} + 2 · {size} = {4 * coordinate + 2 * size} numbers, but hidden_size is {spec.HiddenSize}");
        }
        if (longest < 1)
        {
            throw config.Error("max_position_embeddings",
                $"is {spec.PositionRows}, but positions are numbered from pad_token_id + 1 = {padding + 1}, which leaves none");
        }
        var encoder = spec with
        {
            MaxLength = longest,
            PaddingToken = padding,
            PositionOffset = padding + 1,
            CountsTokens = true,
            Epsilon = (float)config.Float("layer_norm_eps", 1e-5, min: 0, max: 1),
            Boxes = new BoxSpec(BoxSpec.RowsIn(config), coordinate, size, SideBySide: true),
        };
        return new LayoutLmV3Spec(encoder,
            config.Bool("visual_embed", true) ? PictureSpec.Read(config, interpolates: false, "input_size") : null,
            LayoutBiasSpec.Read(config));
    }

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task)
    {
        switch (task.Task)
        {
            case ModelTask.TokenClassification when task.LabelCount < ManyClasses:
                head.Dropout(spec.Dropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.TokenClassification:
                Roberta.Classify(head.Dropout(spec.Dropout), spec, task, "tanh");
                break;
            case ModelTask.SequenceClassification:
                Roberta.Classify(head, spec, task, "tanh");
                break;
            case ModelTask.QuestionAnswering:
                head.Dropout(spec.HeadDropout).Dense("qa_outputs.dense", spec.HiddenSize).Activate("tanh")
                    .Dropout(spec.HeadDropout).Dense("qa_outputs.out_proj", 2);
                break;
        }
    }
}
