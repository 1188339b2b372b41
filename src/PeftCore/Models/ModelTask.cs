namespace PeftCore.Models;

/// <summary>The task of a model's head.</summary>
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

    /// <summary>Predicts the class of a picture.</summary>
    ImageClassification,

    /// <summary>Finds the text that belongs to each picture, and the picture that belongs to each text.</summary>
    Contrastive,

    /// <summary>Predicts the letters of a recording, each at a frame that need not be known (connectionist temporal
    /// classification).</summary>
    Ctc,

    /// <summary>Predicts the tokens of what is said in a recording.</summary>
    SpeechToText,

    /// <summary>Predicts the noise in a picture.</summary>
    NoisePrediction,
}
