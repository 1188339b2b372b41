using PeftCore.Ops;

namespace PeftCore.Data;

/// <summary>One tokenized sample.</summary>
/// <param name="Ids">(T): the token ids.</param>
/// <param name="Labels">The token ids, or <see cref="Masked"/> where nothing is learned. Aligned with <paramref name="Ids"/> as in Hugging
/// Face's files; the <see cref="Collator"/> shifts them. It masks the first, because no token comes before it.</param>
public sealed record Example(int[] Ids, int[] Labels)
{
    /// <summary>The label of a token that is not learned.</summary>
    public const int Masked = CrossEntropyOp.Ignore;

    /// <summary>(T): the token ids.</summary>
    public int[] Ids { get; init => field = Given.Value(value); } = Given.Value(Ids);

    /// <summary>(T): the token ids, or <see cref="Masked"/> where nothing is learned.</summary>
    public int[] Labels { get; init => field = Given.Value(value); } = Given.Value(Labels);

    /// <summary>The class of the text, −1 if the sample is not for classification.</summary>
    internal int ClassLabel { get; init; } = -1;

    /// <summary>The task of the text, from 0, for adapters with several tasks; null if the data name none.</summary>
    internal int? TaskId { get; init; }

    /// <summary>The number to predict for the text (regression); null if there is none.</summary>
    internal double? Score { get; init; }

    /// <summary>(classes): 1 for each class of the text, 0 for others, if it may have several; otherwise null.</summary>
    internal float[]? ClassFlags { get; init; }

    /// <summary>Whether each label is that of its own position, as of tags and masked tokens; otherwise a position predicts the next
    /// token.</summary>
    internal bool LabelsInPlace { get; init; }

    /// <summary>(T): which of two texts each token belongs to; null if all are 0.</summary>
    internal int[]? TypeIds { get; init; }

    /// <summary>(T): the tokens that were added around the text, which masked language modelling does not mask; null if none is
    /// known.</summary>
    internal bool[]? IsSpecial { get; init; }

    /// <summary>How tokens are masked when the sample is drawn; null if they are not.</summary>
    internal TokenMasking? Masking { get; init; }

    /// <summary>The first and the last token of the answer to a question; null if the sample is not for question answering.</summary>
    internal (int Start, int End)? Span { get; init; }

    /// <summary>The part of a context that the sample shows, to map tokens back to text; null if the sample is not for question
    /// answering.</summary>
    internal QuestionWindow? Window { get; init; }

    /// <summary>(S): the tokens that a decoder writes for <see cref="Ids"/>, the end-of-text token included; null without a
    /// decoder of its own.</summary>
    internal int[]? TargetIds { get; init; }

    /// <summary>Whether <see cref="TargetIds"/> is the name of a class.</summary>
    internal bool IsLabel { get; init; }

    /// <summary>The text similar to this one, in contrastive training.</summary>
    internal Example? Positive { get; init; }

    /// <summary>A text not similar to this one, in contrastive training; null without one.</summary>
    internal Example? Negative { get; init; }

    /// <summary>The picture of the sample; null without one.</summary>
    internal DenseSource? Pixels { get; init; }

    /// <summary>The recording of the sample, as a waveform or a spectrogram; null without one.</summary>
    internal DenseSource? Sound { get; init; }

    /// <summary>(T', C'): the hidden states of a text that a diffusion model attends to; null without.</summary>
    internal DenseSource? EncoderStates { get; init; }

    /// <summary>(1) or (C'): the class of the picture that a diffusion model reads, a number or a vector; null without.</summary>
    internal DenseSource? Classes { get; init; }

    /// <summary>(T, 4): the box of each token on its page; null without boxes.</summary>
    internal int[]? Boxes { get; init; }

    /// <summary>Whether the sample is a picture and its text, whose pairing is what is learned.</summary>
    internal bool IsPair { get; init; }

    /// <summary>Whether the sample counts as one target, whatever the number of its labels, as in connectionist temporal
    /// classification.</summary>
    internal bool IsTranscript { get; init; }

    /// <summary>How many of <see cref="TargetIds"/> are given when the target is generated, such as a language.</summary>
    internal int GivenTargets { get; init; }

    /// <summary>The label between words of a transcript, for the word error rate; null if it is not known.</summary>
    internal int? WordDelimiter { get; init; }

    /// <summary>A sample without labels.</summary>
    internal static Example Unlabelled(int[] ids)
    {
        int[] labels = new int[ids.Length];
        Array.Fill(labels, Masked);
        return new Example(ids, labels);
    }

    /// <summary>Number of labels that are not masked.</summary>
    internal int TrainableTokens => Labels.AsSpan().Length - Labels.AsSpan().Count(Masked);
}
