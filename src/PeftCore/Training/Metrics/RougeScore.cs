namespace PeftCore.Training.Metrics;

/// <summary>ROUGE (Lin 2004): the overlap of a text with a reference, equal to the package rouge_score without a stemmer. Words are runs of
/// the letters a–z and digits, in lower case.</summary>
internal static class RougeScore
{
    /// <summary>ROUGE-N: the F measure of the runs of n words.</summary>
    public static double OfRuns(string text, string reference, int n)
    {
        var (found, expected) = (WordCounts.Of(WordsOf(text), n), WordCounts.Of(WordsOf(reference), n));
        double common = WordCounts.Common(found, expected);
        return F(common / Math.Max(1, found.Values.Sum()), common / Math.Max(1, expected.Values.Sum()));
    }

    /// <summary>ROUGE-L: the F measure of the longest common subsequence of words.</summary>
    public static double OfSubsequence(string text, string reference)
    {
        string[] found = WordsOf(text), expected = WordsOf(reference);
        if (found.Length == 0 || expected.Length == 0)
        {
            return 0;
        }
        double common = LongestCommon(found, expected);
        return F(common / found.Length, common / expected.Length);
    }

    /// <summary>ROUGE-1, ROUGE-2 and ROUGE-L, each the mean over all texts.</summary>
    public static (double One, double Two, double L) Mean(IReadOnlyList<string> texts, IReadOnlyList<string> references)
    {
        ClassScores.Check(texts.Count, references.Count);
        return (texts.Zip(references, (text, reference) => OfRuns(text, reference, 1)).Average(),
            texts.Zip(references, (text, reference) => OfRuns(text, reference, 2)).Average(),
            texts.Zip(references, OfSubsequence).Average());
    }

    private static double F(double precision, double recall) =>
        precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;

    private static string[] WordsOf(string text)
    {
        char[] letters = text.ToLowerInvariant().ToCharArray();
        for (int i = 0; i < letters.Length; i++)
        {
            letters[i] = letters[i] is (>= 'a' and <= 'z') or (>= '0' and <= '9') ? letters[i] : ' ';
        }
        return PythonText.Words(new string(letters));
    }

    // One row of the table of lengths at a time.
    private static int LongestCommon(string[] first, string[] second)
    {
        int[] above = new int[second.Length + 1], row = new int[second.Length + 1];
        foreach (string word in first)
        {
            for (int j = 1; j <= second.Length; j++)
            {
                row[j] = word == second[j - 1] ? above[j - 1] + 1 : Math.Max(above[j], row[j - 1]);
            }
            (above, row) = (row, above);
        }
        return above[^1];
    }
}
