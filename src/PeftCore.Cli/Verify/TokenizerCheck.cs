using PeftCore.Tokenizers;

namespace PeftCore.Cli.Verify;

/// <summary>Checks a tokenizer with every case of its cases.json.</summary>
internal static class TokenizerCheck
{
    public static IEnumerable<Comparison> Verify(string directory) =>
        TokenizerCases.Check(directory).Select(result => Comparison.Equal("case " + result.Name, result.Ok, result.Ok ? null
            : result.Detail));
}
