using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;

namespace PeftCore.Cli.Verify;

/// <summary>Checks beam search: the tokens after a prompt, with the settings of the fixtures.</summary>
internal static class BeamCheck
{
    public const string Name = "beam3";
    public const int Beams = 3;
    private const int StopToken = 2;

    /// <summary>Compares the text after the first tokens of the reference's row with ours.</summary>
    public static Comparison Of(TransformerModel model, Backend backend, Expected expected, int promptLength)
    {
        int[] reference = expected.Ints(Name);
        int count = reference.Length - promptLength;
        var result = new Generator(model, backend).Generate(reference.AsSpan(0, promptLength),
            new GenerationOptions { NumBeams = Beams, MaxNewTokens = count, StopTokens = [StopToken] });
        return Comparison.Equal(Name, IsSame(reference.AsSpan(promptLength), result.Tokens), $"{count} tokens, {Beams} beams");
    }

    /// <summary>Whether the reference's row is the text, and padding of one token after it.</summary>
    public static bool IsSame(ReadOnlySpan<int> reference, IReadOnlyList<int> text)
    {
        if (text.Count > reference.Length || !reference[..text.Count].SequenceEqual(text.ToArray()))
        {
            return false;
        }
        var padding = reference[text.Count..];
        return padding.IsEmpty || (text[^1] == StopToken && padding.IndexOfAnyExcept(padding[0]) < 0);
    }
}
