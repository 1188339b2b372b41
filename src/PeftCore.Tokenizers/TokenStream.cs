using System.Runtime.InteropServices;

namespace PeftCore.Tokenizers;

/// <summary>Decodes ids one by one as they are generated. A character is given out only when all of its bytes have come, and spaces that
/// depend on the tokens around them are right.</summary>
public sealed class TokenStream
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly List<int> _ids = [];
    private string _prefix = "";
    private int _prefixLength;

    internal TokenStream(Tokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
    }

    /// <summary>Takes the next id and returns the text that is certain now: often a word, empty while a character is incomplete.</summary>
    public string Append(int id)
    {
        _ids.Add(id);
        string text = Decode();
        // A text that ends in U+FFFD may be the first bytes of a character.
        if (text.Length <= _prefix.Length || text.EndsWith('\uFFFD'))
        {
            return "";
        }

        return Advance(text);
    }

    /// <summary>Returns what is left at the end, with U+FFFD for bytes that never became a character.</summary>
    public string Finish()
    {
        string text = Decode();
        return text.Length <= _prefix.Length ? "" : Advance(text);
    }

    /// <summary>Keeps only the ids of the last step: what they decode to is the context for the next.</summary>
    private string Advance(string text)
    {
        string fresh = text[_prefix.Length..];
        _ids.RemoveRange(0, _prefixLength);
        _prefix = Decode();
        _prefixLength = _ids.Count;
        return fresh;
    }

    private string Decode() => _tokenizer.Decode(CollectionsMarshal.AsSpan(_ids), _skipSpecialTokens);
}
