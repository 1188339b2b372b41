using System.Text.RegularExpressions;

namespace PeftCore.Training.Metrics;

/// <summary>BLEU of a corpus (Papineni et al. 2002): the geometric mean of the precisions of runs of 1 to 4 words, times a penalty for
/// texts shorter than their references, in percent. Equal to sacrebleu's default: its tokenization "13a" and exponential smoothing, by
/// which the k-th precision of zero becomes 1 / (2ᵏ·runs).</summary>
internal static partial class BleuScore
{
    private const int Longest = 4;

    /// <summary>The score of texts, each with one reference or several.</summary>
    public static double Of(IReadOnlyList<string> texts, IReadOnlyList<IReadOnlyList<string>> references)
    {
        ClassScores.Check(texts.Count, references.Count);
        long[] hits = new long[Longest], runs = new long[Longest];
        long length = 0, referenceLength = 0;
        for (int i = 0; i < texts.Count; i++)
        {
            string[] words = Words(texts[i]);
            string[][] accepted = [.. references[i].Select(Words)];
            length += words.Length;
            referenceLength += Nearest(words.Length, accepted);
            for (int n = 1; n <= Longest; n++)
            {
                hits[n - 1] += WordCounts.Common(WordCounts.Of(words, n), Highest(accepted, n));
                runs[n - 1] += Math.Max(0, words.Length - n + 1);
            }
        }
        return hits.AsSpan().ContainsAnyExcept(0) ? BrevityPenalty(length, referenceLength) * MeanPrecision(hits, runs) : 0;
    }

    /// <summary>The score of texts with one reference each.</summary>
    public static double Of(IReadOnlyList<string> texts, IReadOnlyList<string> references) =>
        Of(texts, [.. references.Select(reference => new[] { reference })]);

    /// <summary>The words of mteval-v13a: punctuation apart from words, except points and commas between digits.</summary>
    public static string[] Words(string text)
    {
        string line = $" {text.TrimEnd().Replace("<skipped>", "").Replace("-\n", "").Replace('\n', ' ').Replace("&quot;", "\"")
            .Replace("&amp;", "&").Replace("&lt;", "<").Replace("&gt;", ">")} ";
        line = Symbols().Replace(line, " $1 ");
        line = StopAfterOther().Replace(line, "$1 $2 ");
        line = StopBeforeOther().Replace(line, " $1 $2");
        return PythonText.Words(DashAfterDigit().Replace(line, "$1 $2 "));
    }

    private static double MeanPrecision(long[] hits, long[] runs)
    {
        double smooth = 1, logs = 0;
        for (int n = 0; n < Longest; n++)
        {
            if (runs[n] == 0)
            {
                return 0; // No text is long enough.
            }
            smooth *= hits[n] == 0 ? 2 : 1;
            logs += Math.Log(100.0 * (hits[n] == 0 ? 1 / smooth : hits[n]) / runs[n]);
        }
        return Math.Exp(logs / Longest);
    }

    private static double BrevityPenalty(long length, long referenceLength) =>
        length >= referenceLength ? 1 : Math.Exp(1 - (double)referenceLength / length);

    // The length nearest to that of the text; of two the shorter.
    private static int Nearest(int length, string[][] references) =>
        references.Select(words => words.Length).OrderBy(other => Math.Abs(other - length)).ThenBy(other => other).First();

    private static Dictionary<string, int> Highest(string[][] references, int n)
    {
        var highest = WordCounts.Of(references[0], n);
        foreach (string[] words in references.AsSpan(1))
        {
            foreach (var (run, count) in WordCounts.Of(words, n))
            {
                highest[run] = Math.Max(count, highest.GetValueOrDefault(run));
            }
        }
        return highest;
    }

    [GeneratedRegex(@"([{-~[-` -&(-+:-@/])", RegexOptions.CultureInvariant)]
    private static partial Regex Symbols();

    [GeneratedRegex(@"([^0-9])([.,])", RegexOptions.CultureInvariant)]
    private static partial Regex StopAfterOther();

    [GeneratedRegex(@"([.,])([^0-9])", RegexOptions.CultureInvariant)]
    private static partial Regex StopBeforeOther();

    [GeneratedRegex(@"([0-9])(-)", RegexOptions.CultureInvariant)]
    private static partial Regex DashAfterDigit();
}
