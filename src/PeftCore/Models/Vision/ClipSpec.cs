using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>CLIP's two towers, as its configuration says.</summary>
/// <param name="Text">The tower of texts.</param>
/// <param name="Vision">The tower of pictures.</param>
/// <param name="ProjectionSize">Size of the embeddings that are compared.</param>
internal sealed record ClipSpec(ClipTextSpec Text, ClipVisionSpec Vision, int ProjectionSize)
{
    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static ClipSpec Read(ConfigReader config, TaskSpec task)
    {
        ForeignFields.Refuse(config, "clip", ["text_config"]);
        RefuseSecond(config, "text_config");
        RefuseSecond(config, "vision_config");
        return new ClipSpec(ClipTextSpec.Read(config.Object("text_config")), ClipVisionSpec.Read(config.Object("vision_config"), task),
            EncoderFields.Columns(config, "projection_dim", 512));
    }

    /// <summary>The model of a config.json: both towers, or that of pictures with a classifier.</summary>
    public static TransformerModel Declare(ConfigReader config, TaskSpec task)
    {
        var spec = Read(config, task);
        return task.Task == ModelTask.Contrastive ? new Clip(spec) : new ClipClassifier(spec.Vision, task);
    }

    /// <summary>Refuses a second configuration of a tower that contradicts the first, which old files have beside it.</summary>
    private static void RefuseSecond(ConfigReader config, string name)
    {
        var (first, second) = (config.Object(name), config.ObjectOrNull(name + "_dict"));
        foreach (string field in second?.Names ?? [])
        {
            if (first.Raw(field) is { } value && !JsonElement.DeepEquals(value, second!.Raw(field)!.Value))
            {
                throw config.Error(name + "_dict", $"has another \"{field}\" than {name}; keep one of the two");
            }
        }
    }

    /// <summary>The blocks of a tower.</summary>
    public static PreNormSpec Blocks(ConfigReader config, int hidden, int inner, int heads, string activation = "quick_gelu",
        double epsilon = 1e-5) =>
        VisionFields.Checked(config, new PreNormSpec
        {
            HiddenSize = EncoderFields.Columns(config, "hidden_size", hidden),
            Heads = EncoderFields.Columns(config, "num_attention_heads", heads),
            IntermediateSize = EncoderFields.Columns(config, "intermediate_size", inner),
            Names = new PreNormNames
            {
                AttentionNorm = "layer_norm1",
                Query = "self_attn.q_proj",
                Key = "self_attn.k_proj",
                Value = "self_attn.v_proj",
                Output = "self_attn.out_proj",
                MlpNorm = "layer_norm2",
            },
            Epsilon = (float)config.Float("layer_norm_eps", epsilon, min: 0, max: 1),
            Activation = EncoderFields.Activation(config, "hidden_act", activation),
            ProbabilityDropout = EncoderFields.Probability(config, "attention_dropout", 0),
        });
}

/// <summary>The tower of texts.</summary>
/// <param name="Blocks">The blocks.</param>
/// <param name="Layers">Number of blocks.</param>
/// <param name="VocabularySize">Tokens in the vocabulary.</param>
/// <param name="MaxLength">Rows of the table of positions.</param>
/// <param name="EndToken">The token whose hidden state stands for the text.</param>
internal sealed record ClipTextSpec(PreNormSpec Blocks, int Layers, int VocabularySize, int MaxLength, int EndToken)
{
    // The first configurations had this number in place of that of the tokenizer.
    private const int WrongEndToken = 2;

    /// <summary>Reads the config.json of a model that is this tower alone.</summary>
    public static ClipTextSpec ReadAlone(ConfigReader config)
    {
        ForeignFields.Refuse(config, "clip_text_model", []);
        return Read(config);
    }

    /// <summary>Reads the tower's configuration.</summary>
    public static ClipTextSpec Read(ConfigReader config)
    {
        int vocabulary = EncoderFields.Rows(config, "vocab_size", 49408);
        return new ClipTextSpec(ClipSpec.Blocks(config, 512, 2048, 8), VisionFields.Layers(config), vocabulary,
            EncoderFields.Rows(config, "max_position_embeddings", 77),
            config.Int("eos_token_id", vocabulary - 1, min: 0, max: vocabulary - 1));
    }

    /// <summary>The token of each text that stands for it: the first that ends a text. Configurations of the first models name a wrong
    /// token, and there the largest number ends a text.</summary>
    /// <param name="ids">(B, T).</param>
    /// <param name="batch">Rows B.</param>
    public int[] EndsOf(int[] ids, int batch)
    {
        int length = ids.Length / batch;
        return [.. Enumerable.Range(0, batch).Select(row =>
        {
            var text = ids.AsSpan(row * length, length);
            return EndToken == WrongEndToken ? text.IndexOf(text.ToArray().Max()) : Math.Max(0, text.IndexOf(EndToken));
        })];
    }
}

/// <summary>The tower of pictures.</summary>
/// <param name="Blocks">The blocks.</param>
/// <param name="Layers">Number of blocks.</param>
/// <param name="Picture">The pictures.</param>
internal sealed record ClipVisionSpec(PreNormSpec Blocks, int Layers, PictureSpec Picture)
{
    /// <summary>Reads the tower's configuration.</summary>
    public static ClipVisionSpec Read(ConfigReader config, TaskSpec task) => new(ClipSpec.Blocks(config, 768, 3072, 12),
        VisionFields.Layers(config), PictureSpec.Read(config, task.InterpolatesPositions, patch: 32));
}
