using Microsoft.ML.Tokenizers;

namespace PeftCore.Extensions.AI.Tests.Snippets;

internal static class Counting
{
    public static int Run(string modelDirectory)
    {
        Tokenizer tokenizer = PeftCoreTokenizer.FromDirectory(modelDirectory);
        int count = tokenizer.CountTokens("Once upon a time");
        foreach (var token in tokenizer.EncodeToTokens("Once upon a time", out _))
        {
            Console.WriteLine($"{token.Id} {token.Value} {token.Offset}");
        }
        return count;
    }
}
