using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>DistilBERT (Sanh et al. 2019): BERT without token types and pooler, under other names.</summary>
internal static class DistilBert
{
    private static readonly EncoderNames Names = new()
    {
        Layers = "transformer.layer",
        Query = "attention.q_lin",
        Key = "attention.k_lin",
        Value = "attention.v_lin",
        Output = "attention.out_lin",
        AttentionNorm = "sa_layer_norm",
        Up = "ffn.lin1",
        Down = "ffn.lin2",
        OutputNorm = "output_layer_norm",
    };

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config)
    {
        EncoderFields.Refuse(config);
        int hidden = EncoderFields.Columns(config, "dim", 768), positions = EncoderFields.Rows(config, "max_position_embeddings", 512);
        int vocabulary = EncoderFields.Rows(config, "vocab_size");
        float classifier = EncoderFields.Probability(config, "seq_classif_dropout", 0.2);
        float answers = EncoderFields.Probability(config, "qa_dropout", 0.1);
        var spec = new EncoderSpec
        {
            ModelType = config.String("model_type"),
            Body = "distilbert",
            Names = Names,
            Head = (head, spec, task) => Head(head, spec, task, classifier, answers),
            VocabularySize = vocabulary,
            PaddingToken = EncoderFields.PaddingToken(config, 0, vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = hidden,
            IntermediateSize = EncoderFields.Columns(config, "hidden_dim", 3072),
            Layers = config.Int("n_layers", 6, min: 1, max: 10_000),
            Heads = EncoderFields.Columns(config, "n_heads", 12),
            MaxLength = positions,
            PositionRows = positions,
            Activation = EncoderFields.Activation(config, "activation", "gelu"),
            Dropout = EncoderFields.Probability(config, "dropout", 0.1),
            ProbabilityDropout = EncoderFields.Probability(config, "attention_dropout", 0.1),
            TieEmbeddings = config.Bool("tie_word_embeddings", true),
        };
        return EncoderFields.Checked(config, spec, "n_heads", "dim");
    }

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task, float classifierDropout, float answerDropout)
    {
        switch (task.Task)
        {
            case ModelTask.SequenceClassification:
                head.Dense("pre_classifier", spec.HiddenSize).Activate("relu").Dropout(classifierDropout)
                    .Dense("classifier", task.LabelCount);
                break;
            case ModelTask.TokenClassification:
                head.Dropout(spec.Dropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.QuestionAnswering:
                head.Dropout(answerDropout).Dense("qa_outputs", 2);
                break;
            case ModelTask.MaskedLm:
                head.Dense("vocab_transform", spec.HiddenSize).Activate(spec.Activation).Norm("vocab_layer_norm", spec.Epsilon)
                    .Vocabulary("vocab_projector");
                break;
        }
    }
}
