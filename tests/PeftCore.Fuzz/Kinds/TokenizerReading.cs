using PeftCore.Tokenizers;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Encodes and decodes a few texts, and checks the results.</summary>
internal static class TokenizerReading
{
    private static readonly string[] Texts =
    [
        "Hello world", "  a\tb\r\n", "é e\u0301 😀 \u200B漢字", "<s> [CLS]</s><|endoftext|>x", "", "\ud800 \udc00", "\0\uFFFF",
        "don't 12345 [UNK]##ing ▁▁", new string('a', 60) + "!", new string(' ', 40) + "x",
    ];

    private static readonly Dictionary<string, int[][]> Known = TokenizerSample.Names.ToDictionary(name => name, Encoded);

    /// <summary>The token ids of the texts with an unchanged sample.</summary>
    public static int[][] IdsOf(string sample) => Known[sample];

    /// <summary>The error of an accepted tokenizer; null if there is none.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="expected">The ids of every text; null where they are not known.</param>
    public static string? Difference(Tokenizer tokenizer, int[][]? expected)
    {
        for (int i = 0; i < Texts.Length; i++)
        {
            var encoding = tokenizer.Encode(Texts[i]);
            if (expected is not null && !encoding.Ids.SequenceEqual(expected[i]))
            {
                return $"a text is encoded otherwise: {Texts[i]}";
            }
            if (OutOfPlace(tokenizer, encoding, Texts[i]) is { } problem)
            {
                return problem;
            }
            tokenizer.Decode([.. encoding.Ids]);
            tokenizer.Decode([.. encoding.Ids], skipSpecialTokens: false);
        }
        return null;
    }

    private static string? OutOfPlace(Tokenizer tokenizer, Encoding encoding, string text)
    {
        int length = text.EnumerateRunes().Count();
        for (int i = 0; i < encoding.Length; i++)
        {
            // The post-processor's ids are put around texts as they stand, with a warning.
            if (tokenizer.TokenOf(encoding.Ids[i]) is null
                && !tokenizer.Warnings.Any(warning => warning.Contains("post_processor", StringComparison.Ordinal)))
            {
                return $"an id has no token: {encoding.Ids[i]}";
            }
            var (start, end) = encoding.Offsets[i];
            if (start < 0 || end < start || end > length)
            {
                return $"a token lies outside its text: {start}..{end} of {length}";
            }
        }
        return null;
    }

    private static int[][] Encoded(string sample)
    {
        string directory = Directory.CreateTempSubdirectory("peftcore-sample-").FullName;
        string path = Path.Combine(directory, "tokenizer.json");
        File.WriteAllText(path, TokenizerSample.Get(sample).ToString());
        var tokenizer = Tokenizer.FromFile(path);
        Directory.Delete(directory, recursive: true);
        return [.. Texts.Select(text => tokenizer.Encode(text).Ids.ToArray())];
    }
}
