namespace PeftCore.Tokenizers;

/// <summary>A step from tokens back to text. The text is the concatenation of the last step's result.</summary>
internal interface IDecoder
{
    List<string> Decode(List<string> tokens);
}

/// <summary>A sequence of decoders.</summary>
internal sealed class DecoderSequence(IReadOnlyList<IDecoder> steps) : IDecoder
{
    public List<string> Decode(List<string> tokens) => steps.Aggregate(tokens, (left, step) => step.Decode(left));
}

/// <summary>A decoder that changes each token by itself, given whether it is the first or the last.</summary>
internal sealed class TokenDecoder(Func<string, int, int, string> change) : IDecoder
{
    public List<string> Decode(List<string> tokens)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            tokens[i] = change(tokens[i], i, tokens.Count);
        }

        return tokens;
    }
}

/// <summary>Joins all tokens into one.</summary>
internal sealed class FuseDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens) => [string.Concat(tokens)];
}
