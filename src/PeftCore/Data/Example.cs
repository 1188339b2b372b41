namespace PeftCore.Data;

/// <summary>One sample as the model sees it.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Labels">The tokens again, or <see cref="Masked"/> where nothing is learned. Aligned with <paramref name="Ids"/> as
/// Hugging Face has it: the loss shifts them. The first is always masked, for nothing predicts it.</param>
public sealed record Example(int[] Ids, int[] Labels)
{
    /// <summary>The label that the loss leaves out.</summary>
    public const int Masked = -100;

    /// <summary>The class of the text, or -1 if the sample is not for classification.</summary>
    public int ClassLabel { get; init; } = -1;

    /// <summary>The task of the text, counted from 0, for adapters that have several; null if the data name none.</summary>
    public int? TaskId { get; init; }

    /// <summary>How many tokens are learned.</summary>
    public int TrainableTokens => Labels.AsSpan().Length - Labels.AsSpan().Count(Masked);
}
