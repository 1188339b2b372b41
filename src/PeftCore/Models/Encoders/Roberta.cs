using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2020): BERT with positions that are numbered from the padding token's id
/// plus 1 and count only tokens that are not padding, and with a head of two layers in place of pooler and classifier.</summary>
internal static class Roberta
{
    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config)
    {
        var spec = EncoderFields.Read(config, "roberta", Head);
        int padding = EncoderFields.PaddingToken(config, 1, spec.VocabularySize);
        int longest = spec.PositionRows - padding - 1;
        return longest > 0 ? spec with { MaxLength = longest, PositionOffset = padding + 1, PaddingToken = padding, CountsTokens = true }
            : throw config.Error("max_position_embeddings",
                $"is {spec.PositionRows}, but positions are numbered from pad_token_id + 1 = {padding + 1}, which leaves none");
    }

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task)
    {
        switch (task.Task)
        {
            case ModelTask.SequenceClassification:
                Classify(head, spec, task, "tanh");
                break;
            case ModelTask.TokenClassification:
                head.Dropout(spec.HeadDropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.QuestionAnswering:
                head.Dense("qa_outputs", 2);
                break;
            case ModelTask.MaskedLm:
                head.Dense("lm_head.dense", spec.HiddenSize).Activate("gelu").Norm("lm_head.layer_norm", spec.Epsilon)
                    .Vocabulary("lm_head.decoder", biasOwner: "lm_head");
                break;
            default:
                head.Dense("{body}.pooler.dense", spec.HiddenSize).Activate("tanh");
                break;
        }
    }

    /// <summary>The classifier of RoBERTa and ELECTRA: two layers on the hidden state of the first token.</summary>
    public static void Classify(HeadLayers head, EncoderSpec spec, TaskSpec task, string activation) =>
        head.Dropout(spec.HeadDropout).Dense("classifier.dense", spec.HiddenSize).Activate(activation)
            .Dropout(spec.HeadDropout).Dense("classifier.out_proj", task.LabelCount);
}
