using System.Text;
using System.Text.RegularExpressions;

namespace PeftCore.Training.Metrics;

/// <summary>Exact match and span F1 of answers (Rajpurkar et al. 2016, arXiv:1606.05250), equal to SQuAD's script: letters become lower
/// case, punctuation and articles are left out, white space becomes one space. Of several accepted answers the best counts; no accepted
/// answer means that the empty text is correct, as in version 2.</summary>
internal static partial class AnswerScore
{
    // Python's string.punctuation.
    private const string Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    /// <summary>1 if the normalized answer is one of the accepted ones, else 0.</summary>
    public static double ExactMatch(string answer, IReadOnlyList<string> accepted) =>
        Accepted(accepted).Max(text => Normalize(answer) == text ? 1.0 : 0.0);

    /// <summary>The harmonic mean of the shares of words that answer and accepted answer have in common.</summary>
    public static double F1(string answer, IReadOnlyList<string> accepted) =>
        Accepted(accepted).Max(text => F1(PythonText.Words(Normalize(answer)), PythonText.Words(text)));

    /// <summary>The text as it is compared.</summary>
    public static string Normalize(string text)
    {
        var letters = new StringBuilder(text.Length);
        foreach (char c in text.ToLowerInvariant())
        {
            if (!Punctuation.Contains(c))
            {
                letters.Append(c);
            }
        }
        return string.Join(' ', PythonText.Words(Articles().Replace(letters.ToString(), " ")));
    }

    private static List<string> Accepted(IReadOnlyList<string> accepted)
    {
        List<string> texts = [.. accepted.Select(Normalize).Where(text => text.Length > 0)];
        return texts.Count > 0 ? texts : [""];
    }

    private static double F1(string[] answer, string[] accepted)
    {
        if (answer.Length == 0 || accepted.Length == 0)
        {
            return answer.Length == accepted.Length ? 1 : 0;
        }
        int common = WordCounts.Common(WordCounts.Of(answer), WordCounts.Of(accepted));
        return 2.0 * common / (answer.Length + accepted.Length);
    }

    [GeneratedRegex(@"\b(a|an|the)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Articles();
}
