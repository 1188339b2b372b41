using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>ELECTRA (Clark et al. 2020): BERT with embeddings of a size of their own, and RoBERTa's classifier with GELU. The masked
/// language model is ELECTRA's generator.</summary>
internal static class Electra
{
    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config) => EncoderFields.Read(config, "electra", Head) with
    {
        EmbeddingSize = EncoderFields.Columns(config, "embedding_size", 128),
    };

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task)
    {
        switch (task.Task)
        {
            case ModelTask.SequenceClassification:
                Roberta.Classify(head, spec, task, "gelu");
                break;
            case ModelTask.TokenClassification:
                head.Dropout(spec.HeadDropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.QuestionAnswering:
                head.Dense("qa_outputs", 2);
                break;
            case ModelTask.MaskedLm:
                head.Dense("generator_predictions.dense", spec.EmbeddingSize).Activate("gelu")
                    .Norm("generator_predictions.LayerNorm", spec.Epsilon).Vocabulary("generator_lm_head");
                break;
        }
    }
}
