using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>BERT (Devlin et al. 2019): learned positions, two token types, layer norm after each sublayer, GELU. A sequence is classified
/// by the hidden state of its first token, [CLS], through a pooler. Its relatives are said by their difference from it.</summary>
internal static class Bert
{
    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config) => EncoderFields.Read(config, "bert", Head);

    /// <summary>Adds the layers of a head.</summary>
    public static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task)
    {
        switch (task.Task)
        {
            case ModelTask.SequenceClassification:
                head.Dense("{body}.pooler.dense", spec.HiddenSize).Activate("tanh")
                    .Dropout(spec.HeadDropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.TokenClassification:
                head.Dropout(spec.HeadDropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.QuestionAnswering:
                head.Dense("qa_outputs", 2);
                break;
            case ModelTask.MaskedLm:
                PredictTokens(head, spec);
                break;
            default:
                head.Dense("{body}.pooler.dense", spec.HiddenSize).Activate("tanh");
                break;
        }
    }

    /// <summary>The head that BERT and DeBERTa predict masked tokens with: linear, activation, norm, and the embedding's table with a bias
    /// of its own.</summary>
    public static void PredictTokens(HeadLayers head, EncoderSpec spec) =>
        head.Dense("cls.predictions.transform.dense", spec.EmbeddingSize).Activate(spec.Activation)
            .Norm("cls.predictions.transform.LayerNorm", spec.Epsilon)
            .Vocabulary("cls.predictions.decoder", biasOwner: "cls.predictions");
}
