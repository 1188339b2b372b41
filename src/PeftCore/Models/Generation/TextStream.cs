using System.Text;

namespace PeftCore.Models.Generation;

/// <summary>Turns tokens into text as they come. A token's text depends on its neighbours (a space in front, bytes of one character spread
/// over tokens), so each piece is decoded with the tokens before it and the known part cut off.</summary>
internal sealed class TextStream
{
    /// <summary>Tokens of the prompt that are decoded along, so that the first new token finds its space.</summary>
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
        (_decode, _stops) = (decode, stops);
        _tokens = [.. prompt[Math.Max(0, prompt.Length - Context)..]];
        _known = _tokens.Count;
        _knownText = decode(_tokens);
    }

    /// <summary>All text so far, up to a stop string.</summary>
    public string Text => _text.ToString();

    /// <summary>Whether a stop string has come.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Takes a token.</summary>
    public void Add(int token)
    {
        _tokens.Add(token);
        string text = _decode(_tokens);
        if (text.Length > _knownText.Length && text[^1] != Incomplete)
        {
            Append(text[_knownText.Length..]);
        }
    }

    /// <summary>What can be shown now and has not been.</summary>
    public string Give()
    {
        int end = Stopped ? _text.Length : _text.Length - PossibleStop();
        string piece = _text.ToString(_given, Math.Max(0, end - _given));
        _given += piece.Length;
        return piece;
    }

    /// <summary>No more tokens come: what was held back is text after all.</summary>
    public string GiveRest()
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
        // Later tokens need this piece's tokens before them, but none from before those.
        _tokens.RemoveRange(0, _known);
        _known = _tokens.Count;
        _knownText = _decode(_tokens);
    }

    /// <summary>Length of the longest end of the text that begins a stop string.</summary>
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
