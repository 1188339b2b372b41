using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>ALBERT (Lan et al. 2020): BERT with embeddings of a size of their own and blocks that share their weights.</summary>
internal static class Albert
{
    private static readonly EncoderNames Names = new()
    {
        Projection = "encoder.embedding_hidden_mapping_in",
        Layers = "encoder.albert_layer_groups",
        Inside = ".albert_layers.0",
        Query = "attention.query",
        Key = "attention.key",
        Value = "attention.value",
        Output = "attention.dense",
        AttentionNorm = "attention.LayerNorm",
        Up = "ffn",
        Down = "ffn_output",
        OutputNorm = "full_layer_layer_norm",
    };

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config)
    {
        var spec = EncoderFields.Read(config, "albert", Head);
        if (config.Int("inner_group_num", 1) is not 1 and var inner)
        {
            throw config.Error("inner_group_num", $"is {inner}, which is not supported; expected 1");
        }
        int groups = config.Int("num_hidden_groups", 1, min: 1, max: spec.Layers);
        return spec with
        {
            Names = Names,
            Groups = groups,
            EmbeddingSize = EncoderFields.Columns(config, "embedding_size", 128),
            Activation = EncoderFields.Activation(config, "hidden_act", "gelu_new"),
            Dropout = EncoderFields.Probability(config, "hidden_dropout_prob", 0),
            ProbabilityDropout = EncoderFields.Probability(config, "attention_probs_dropout_prob", 0),
            HeadDropout = EncoderFields.Probability(config, "classifier_dropout_prob", 0.1),
        };
    }

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task)
    {
        switch (task.Task)
        {
            case ModelTask.SequenceClassification:
                head.Dense("{body}.pooler", spec.HiddenSize).Activate("tanh").Dropout(spec.HeadDropout)
                    .Dense("classifier", task.LabelCount);
                break;
            case ModelTask.TokenClassification:
                head.Dropout(spec.HeadDropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.QuestionAnswering:
                head.Dense("qa_outputs", 2);
                break;
            case ModelTask.MaskedLm:
                head.Dense("predictions.dense", spec.EmbeddingSize).Activate(spec.Activation)
                    .Norm("predictions.LayerNorm", spec.Epsilon).Vocabulary("predictions.decoder", biasOwner: "predictions");
                break;
            default:
                head.Dense("{body}.pooler", spec.HiddenSize).Activate("tanh");
                break;
        }
    }
}
