namespace PeftCore.Training.Metrics;

/// <summary>Word and character error rate of transcripts: (substitutions + deletions + insertions) / symbols of the references, over all
/// texts together. Equal to the package jiwer without transformations: case and punctuation count; words are separated by white space, and
/// characters are Unicode code points, spaces between words included.</summary>
internal static class ErrorRate
{
    /// <summary>The metrics by name.</summary>
    public static Dictionary<string, double> Of(IReadOnlyList<string> texts, IReadOnlyList<string> references) =>
        new() { ["wer"] = Words(texts, references), ["cer"] = Characters(texts, references) };

    /// <summary>Word error rate.</summary>
    public static double Words(IReadOnlyList<string> texts, IReadOnlyList<string> references) =>
        Rate(texts, references, PythonText.Words);

    /// <summary>Character error rate.</summary>
    public static double Characters(IReadOnlyList<string> texts, IReadOnlyList<string> references) =>
        Rate(texts, references, text => [.. text.Trim().EnumerateRunes().Select(rune => rune.ToString())]);

    /// <summary>The smallest number of substitutions, deletions and insertions that make a reference of a text (Levenshtein
    /// 1966).</summary>
    public static int Edits(ReadOnlySpan<string> text, ReadOnlySpan<string> reference)
    {
        int[] row = [.. Enumerable.Range(0, reference.Length + 1)];
        for (int i = 0; i < text.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i + 1;
            for (int j = 0; j < reference.Length; j++)
            {
                int substitution = diagonal + (text[i] == reference[j] ? 0 : 1);
                diagonal = row[j + 1];
                row[j + 1] = Math.Min(substitution, Math.Min(diagonal, row[j]) + 1);
            }
        }
        return row[^1];
    }

    private static double Rate(IReadOnlyList<string> texts, IReadOnlyList<string> references, Func<string, string[]> split)
    {
        ClassScores.Check(texts.Count, references.Count);
        long edits = 0, symbols = 0;
        for (int i = 0; i < texts.Count; i++)
        {
            string[] reference = split(references[i]);
            edits += Edits(split(texts[i]), reference);
            symbols += reference.Length;
        }
        return symbols == 0 ? edits == 0 ? 0 : double.PositiveInfinity : (double)edits / symbols;
    }
}
