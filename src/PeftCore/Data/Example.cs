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

    /// <summary>The class of the text, −1 if the sample is not for classification.</summary>
    internal int ClassLabel { get; init; } = -1;

    /// <summary>The task of the text, from 0, for adapters with several tasks; null if the data name none.</summary>
    internal int? TaskId { get; init; }

    /// <summary>Number of labels that are not masked.</summary>
    internal int TrainableTokens => Labels.AsSpan().Length - Labels.AsSpan().Count(Masked);
}
