namespace PeftCore.Tokenizers;

/// <summary>Takes out spaces that tokens of English left before punctuation and contractions.</summary>
internal static class TextCleanup
{
    private static readonly (string From, string To)[] Rules =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"),
        (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    public static string Clean(string text)
    {
        foreach (var (from, to) in Rules)
        {
            text = text.Replace(from, to, StringComparison.Ordinal);
        }

        return text;
    }
}
