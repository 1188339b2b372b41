using System.Text;

namespace PeftCore.Models.Generation;

/// <summary>Streaming decoder from tokens to text. A token's text depends on the tokens before it (a leading space, the bytes of one
/// character in several tokens), so each piece is decoded together with them and the known text is cut off.</summary>
internal sealed class TextStream
{
    /// <summary>Number of last prompt tokens that are decoded too, so that the first new token has its leading space.</summary>
    private const int Context = 5;

    private const char Incomplete = '\uFFFD';

    private readonly Func<IReadOnlyList<int>, string> _decode;
    private readonly IReadOnlyCollection<string> _stops;
    private readonly StringBuilder _text = new();
    private readonly List<int> _tokens;
    private int _known;
    private string _knownText;
    private int _given;

    public TextStream(Func<IReadOnlyList<int>, string> decode, IReadOnlyCollection<string> stops, ReadOnlySpan<int> prompt)
    {
        (_decode, _stops) = (tokens => Given.Result(decode(tokens), "the decoder of tokens"), stops);
        _tokens = [.. prompt[Math.Max(0, prompt.Length - Context)..]];
        _known = _tokens.Count;
        _knownText = _decode(_tokens);
    }

    /// <summary>All text so far, up to a stop string.</summary>
    public string Text => _text.ToString();

    /// <summary>Whether a stop string was generated.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Adds a token.</summary>
    public void Add(int token)
    {
        _tokens.Add(token);
        string text = _decode(_tokens);
        if (text.Length > _knownText.Length && text[^1] != Incomplete)
        {
            Append(text[_knownText.Length..]);
        }
    }

    /// <summary>Returns the new text that cannot become a part of a stop string.</summary>
    public string Give()
    {
        int end = Stopped ? _text.Length : _text.Length - PossibleStop();
        string piece = _text.ToString(_given, Math.Max(0, end - _given));
        _given += piece.Length;
        return piece;
    }

    /// <summary>The text that was held back, at the end of the stream.</summary>
    public string Flush()
    {
        string text = _decode(_tokens);
        if (!Stopped && text.Length > _knownText.Length)
        {
            Append(text[_knownText.Length..]);
        }
        string piece = _text.ToString(_given, _text.Length - _given);
        _given = _text.Length;
        return piece;
    }

    private void Append(string piece)
    {
        int before = _text.Length;
        _text.Append(piece);
        int longest = _stops.Count == 0 ? 0 : _stops.Max(stop => stop.Length);
        int from = Math.Max(0, before - longest + 1);
        string tail = _text.ToString(from, _text.Length - from);
        int first = _stops.Select(stop => tail.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        if (first >= 0)
        {
            Stopped = true;
            _text.Length = from + first;
        }
        // Later tokens are decoded with this piece's tokens before them, and no earlier ones.
        _tokens.RemoveRange(0, _known);
        _known = _tokens.Count;
        _knownText = _decode(_tokens);
    }

    /// <summary>Length of the longest suffix of the text that is a prefix of a stop string.</summary>
    private int PossibleStop()
    {
        int longest = 0;
        foreach (string stop in _stops)
        {
            for (int length = Math.Min(stop.Length - 1, _text.Length); length > longest; length--)
            {
                if (_text.ToString(_text.Length - length, length) == stop[..length])
                {
                    longest = length;
                }
            }
        }
        return longest;
    }
}
