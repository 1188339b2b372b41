namespace PeftCore.Models;

/// <summary>The task of a model's head: Hugging Face PEFT's task types.</summary>
public enum ModelTask
{
    /// <summary>Predicts the next token.</summary>
    CausalLm,

    /// <summary>Predicts the tokens of a target text from a source text.</summary>
    Seq2SeqLm,

    /// <summary>Predicts the class of a text, or of a pair of texts.</summary>
    SequenceClassification,

    /// <summary>Predicts the class of each token.</summary>
    TokenClassification,

    /// <summary>Predicts the first and the last token of an answer in a context.</summary>
    QuestionAnswering,

    /// <summary>Predicts tokens that were masked.</summary>
    MaskedLm,

    /// <summary>Returns the hidden states.</summary>
    FeatureExtraction,
}
