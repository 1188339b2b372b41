namespace PeftCore.Data;

/// <summary>Encodes one text or a pair of texts with the tokenizer's special tokens. A text that is too long loses its end, of a pair the
/// longer one first (transformers' longest_first); the special tokens are kept.</summary>
internal sealed class PairEncoder
{
    private readonly ITextEncoder _tokenizer;
    private readonly EncodeReport _report;
    private readonly int _maxLength;
    private readonly SequenceTemplate _one;
    private readonly Lazy<SequenceTemplate> _two;

    public PairEncoder(ITextEncoder tokenizer, int maxLength, EncodeReport report)
    {
        (_tokenizer, _maxLength, _report) = (tokenizer, maxLength, report);
        _one = SequenceTemplate.OfOne(tokenizer);
        _two = new Lazy<SequenceTemplate>(() => SequenceTemplate.OfTwo(tokenizer));
        if (_one.Added >= maxLength)
        {
            throw new BadInputException($"max_seq_length is {maxLength}, but the tokenizer adds {_one.Added} special tokens to every text; "
                + $"raise it above {_one.Added}.");
        }
    }

    /// <summary>The template of one text.</summary>
    public SequenceTemplate Template => _one;

    /// <summary>The tokens of a text alone.</summary>
    public int[] Tokens(string text) => _tokenizer.Encode(text, addSpecialTokens: false).Ids;

    public Example Encode(RowPlace place, string text, string? pair)
    {
        int[] first = Tokens(text), second = pair is null ? [] : Tokens(pair);
        var template = pair is null ? _one : _two.Value;
        int room = _maxLength - template.Added;
        if (room <= 0)
        {
            throw place.Error($"max_seq_length is {_maxLength}, but the tokenizer adds {template.Added} special tokens to a pair of texts; "
                + $"raise it above {template.Added}");
        }
        int excess = first.Length + second.Length - room;
        if (excess > 0)
        {
            _report.Cut++;
            _report.TokensCut += excess;
        }
        (int a, int b) = LongestFirst(first.Length, second.Length, room);
        return template.Join(first.AsSpan(0, a), second.AsSpan(0, b)).ToExample();
    }

    /// <summary>Encodes a text that must not be cut.</summary>
    /// <exception cref="BadInputException">The text is empty or too long.</exception>
    public Example EncodeWhole(string text)
    {
        int count = Tokens(text).Length, room = _maxLength - _one.Added;
        return count == 0 ? throw new BadInputException($"the text \"{text}\" has no tokens; write what a picture may show")
            : count > room ? throw new BadInputException($"the text \"{text}\" has {count} tokens, but the model reads {room}; shorten it")
            : Encode(default, text, null);
    }

    /// <summary>The lengths of two texts cut to a sum: the longer one is cut to the length of the shorter, then both; of an odd sum the
    /// longer one has the last token.</summary>
    public static (int First, int Second) LongestFirst(int first, int second, int room)
    {
        if (first + second <= room)
        {
            return (first, second);
        }
        int shorter = Math.Min(first, second);
        int longer = Math.Max(shorter, room - shorter);
        if (shorter + longer > room)
        {
            (shorter, longer) = (room / 2, room - room / 2);
        }
        return first > second ? (longer, shorter) : (shorter, longer);
    }
}
