namespace PeftCore.Training.Metrics;

/// <summary>The metrics of generated texts: the fraction that is the reference but for white space around it, such as a label that is
/// written out, ROUGE and BLEU.</summary>
internal static class TextScores
{
    /// <summary>The metrics by name. ROUGE is between 0 and 1, BLEU in percent, as in the packages they are equal to.</summary>
    /// <param name="texts">The generated texts.</param>
    /// <param name="references">The correct texts.</param>
    public static Dictionary<string, double> Of(IReadOnlyList<string> texts, IReadOnlyList<string> references)
    {
        var (one, two, l) = RougeScore.Mean(texts, references);
        return new()
        {
            ["accuracy"] = ClassScores.Accuracy([.. texts.Select(text => text.Trim())], [.. references.Select(text => text.Trim())]),
            ["rouge1"] = one,
            ["rouge2"] = two,
            ["rougeL"] = l,
            ["bleu"] = BleuScore.Of(texts, references),
        };
    }
}
