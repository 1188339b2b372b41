namespace PeftCore.Tokenizers;

/// <summary>Reads tokens one after the other.</summary>
internal sealed class JinjaTokens(List<JinjaToken> tokens)
{
    private int _at;

    public JinjaToken Current => tokens[_at];

    public JinjaToken Next => tokens[Math.Min(_at + 1, tokens.Count - 1)];

    public JinjaToken Take() => tokens[_at < tokens.Count - 1 ? _at++ : _at];

    public bool TryTake(string text)
    {
        if (Current.IsOperator(text) || Current.IsName(text))
        {
            Take();
            return true;
        }

        return false;
    }

    public void Expect(string text)
    {
        if (!TryTake(text))
        {
            throw Bad($"{Current} stands where '{text}' was expected");
        }
    }

    public void Expect(JinjaTokenKind kind, string what)
    {
        if (Current.Kind != kind)
        {
            throw Bad($"{Current} stands where {what} was expected");
        }

        Take();
    }

    public string ExpectName() => Current.Kind == JinjaTokenKind.Name
        ? Take().Text : throw Bad($"{Current} stands where a name was expected");

    public BadInputException Bad(string why) => JinjaError.At(Current.Line, why);
}
