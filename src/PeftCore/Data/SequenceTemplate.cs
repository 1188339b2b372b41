namespace PeftCore.Data;

/// <summary>The special tokens that a tokenizer puts around one or two texts, such as [CLS] A [SEP] B [SEP], found by encoding a letter.
/// With them, encoded texts can be cut before they are joined.</summary>
internal sealed class SequenceTemplate
{
    private static readonly string[] Letters = ["a", "e", "0", ".", "\u4E00"];

    private readonly EncodedText _sample;
    private readonly int _firstCount;
    private readonly int _textCount;

    private SequenceTemplate(EncodedText sample, int firstCount)
    {
        (_sample, _firstCount) = (sample, firstCount);
        _textCount = sample.IsSpecial.AsSpan().Count(false);
    }

    /// <summary>Number of special tokens.</summary>
    public int Added => _sample.Ids.Length - _textCount;

    /// <summary>The template of one text.</summary>
    /// <exception cref="BadInputException">The tokenizer encodes no letter.</exception>
    public static SequenceTemplate OfOne(ITextEncoder tokenizer)
    {
        var (letter, count) = LetterOf(tokenizer);
        return new SequenceTemplate(tokenizer.Encode(letter, addSpecialTokens: true), count);
    }

    /// <summary>The template of two texts.</summary>
    /// <exception cref="BadInputException">The tokenizer encodes no letter.</exception>
    public static SequenceTemplate OfTwo(ITextEncoder tokenizer)
    {
        var (letter, count) = LetterOf(tokenizer);
        return new SequenceTemplate(tokenizer.EncodePair(letter, letter), count);
    }

    private static (string Letter, int Tokens) LetterOf(ITextEncoder tokenizer)
    {
        foreach (string letter in Letters)
        {
            if (tokenizer.Encode(letter, addSpecialTokens: false).Ids.Length is > 0 and int count)
            {
                return (letter, count);
            }
        }
        throw new BadInputException("The tokenizer encodes none of the texts \"a\", \"e\", \"0\" and \".\" as a token, so the special " +
            "tokens that it puts around a text cannot be found; use the model's own tokenizer.json.");
    }

    /// <summary>Joins the tokens of one or two texts and the special tokens.</summary>
    public JoinedTokens Join(ReadOnlySpan<int> first, ReadOnlySpan<int> second = default)
    {
        int length = Added + first.Length + second.Length, at = 0, text = 0, firstStart = -1, secondStart = -1;
        int[] ids = new int[length], types = new int[length];
        bool[] special = new bool[length];
        void Put(ReadOnlySpan<int> tokens, int type, bool isSpecial)
        {
            tokens.CopyTo(ids.AsSpan(at));
            types.AsSpan(at, tokens.Length).Fill(type);
            special.AsSpan(at, tokens.Length).Fill(isSpecial);
            at += tokens.Length;
        }
        for (int i = 0; i < _sample.Ids.Length; i++)
        {
            if (_sample.IsSpecial[i])
            {
                Put([_sample.Ids[i]], _sample.TypeIds[i], isSpecial: true);
            }
            else if (text++ == 0)
            {
                firstStart = at;
                Put(first, _sample.TypeIds[i], isSpecial: false);
            }
            else if (text == _firstCount + 1)
            {
                secondStart = at;
                Put(second, _sample.TypeIds[i], isSpecial: false);
            }
        }
        return new JoinedTokens(ids, types.AsSpan().ContainsAnyExcept(0) ? types : null, special, firstStart, secondStart);
    }

    /// <summary>Whether the tokens after the text contain one.</summary>
    public bool EndsWith(int token) => _sample.Ids.AsSpan(_sample.IsSpecial.AsSpan().LastIndexOf(false) + 1).Contains(token);
}

/// <summary>One or two texts with the special tokens around them.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="TypeIds">Which text each belongs to; null if all are 0.</param>
/// <param name="IsSpecial">Whether each was added around the texts.</param>
/// <param name="FirstStart">Index of the first text's first token.</param>
/// <param name="SecondStart">Index of the second text's first token; −1 without one.</param>
internal readonly record struct JoinedTokens(int[] Ids, int[]? TypeIds, bool[] IsSpecial, int FirstStart, int SecondStart)
{
    /// <summary>The sample without labels.</summary>
    public Example ToExample() => Example.Unlabelled(Ids) with { TypeIds = TypeIds, IsSpecial = IsSpecial };
}
