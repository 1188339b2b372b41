namespace PeftCore.Training.Metrics;

/// <summary>The metrics of generated texts: the fraction that is the reference but for white space around it, such as a label that is
/// written out, ROUGE and BLEU.</summary>
internal static class TextScores
{
    /// <summary>The metrics by name. ROUGE is between 0 and 1, BLEU in percent, as in the packages they are equal to.</summary>
    /// <param name="texts">The generated texts.</param>
    /// <param name="references">The correct texts.</param>
    /// <param name="areLabels">Whether the references are labels, which have an F1 too: the mean over all labels and all texts that were
    /// generated instead of one, as scikit-learn's.</param>
    public static Dictionary<string, double> Of(IReadOnlyList<string> texts, IReadOnlyList<string> references, bool areLabels = false)
    {
        string[] written = [.. texts.Select(text => text.Trim())], correct = [.. references.Select(text => text.Trim())];
        var (one, two, l) = RougeScore.Mean(texts, references);
        var scores = new Dictionary<string, double> { ["accuracy"] = ClassScores.Accuracy(written, correct) };
        if (areLabels)
        {
            string[] all = [.. correct.Union(written)];
            scores["f1"] = ClassScores.MacroF1([.. written.Select(text => Array.IndexOf(all, text))],
                [.. correct.Select(text => Array.IndexOf(all, text))]);
        }
        (scores["rouge1"], scores["rouge2"], scores["rougeL"]) = (one, two, l);
        scores["bleu"] = BleuScore.Of(texts, references);
        return scores;
    }
}
