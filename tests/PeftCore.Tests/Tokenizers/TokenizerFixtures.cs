using PeftCore.Tokenizers;

namespace PeftCore.Tests.Tokenizers;

internal static class TokenizerFixtures
{
    public static readonly string[] Kinds = ["byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece"];

    public static string Directory(string kind) => Path.Combine(Root(), kind);

    public static Tokenizer Load(string kind) => Tokenizer.FromDirectory(Directory(kind));

    private static string Root()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var found = Path.Combine(at.FullName, "tests", "fixtures", "tokenizers");
            if (System.IO.Directory.Exists(found))
            {
                return found;
            }
        }

        throw new DirectoryNotFoundException("tests/fixtures/tokenizers is not above the test assembly.");
    }
}
