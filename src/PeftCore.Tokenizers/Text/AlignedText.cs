namespace PeftCore.Tokenizers;

/// <summary>A text under change that remembers, for each of its UTF-16 units, which code points of the original text it came from.
/// Both units of a surrogate pair carry the same range.</summary>
internal sealed class AlignedText
{
    private char[] _chars;
    private TextRange[] _origins;

    public AlignedText(int capacity, int shift)
    {
        _chars = new char[capacity];
        _origins = new TextRange[capacity];
        Shift = shift;
    }

    /// <summary>Where in the original text this one begins: what characters inserted before everything else point at.</summary>
    public int Shift { get; }

    public int Length { get; private set; }

    public ReadOnlySpan<char> Chars => _chars.AsSpan(0, Length);

    public ReadOnlySpan<TextRange> Origins => _origins.AsSpan(0, Length);

    /// <summary>A slice of an original text whose first character is code point number <paramref name="shift"/>.</summary>
    public static AlignedText Original(ReadOnlySpan<char> text, int shift)
    {
        var result = new AlignedText(text.Length, shift) { Length = text.Length };
        text.CopyTo(result._chars);
        var origins = result._origins;
        int position = shift;
        for (int i = 0; i < text.Length; i++)
        {
            var range = new TextRange(position, ++position);
            origins[i] = range;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length)
            {
                origins[++i] = range;
            }
        }

        return result;
    }

    public void Append(char c, TextRange origin)
    {
        Reserve(1);
        _chars[Length] = c;
        _origins[Length++] = origin;
    }

    /// <summary>Appends a code point as one or two units.</summary>
    public void AppendCodePoint(int codePoint, TextRange origin)
    {
        if (codePoint < 0x10000)
        {
            Append((char)codePoint, origin);
            return;
        }

        Append((char)(0xD800 + ((codePoint - 0x10000) >> 10)), origin);
        Append((char)(0xDC00 + (codePoint & 0x3FF)), origin);
    }

    public void Append(ReadOnlySpan<char> chars, TextRange origin)
    {
        Reserve(chars.Length);
        chars.CopyTo(_chars.AsSpan(Length));
        _origins.AsSpan(Length, chars.Length).Fill(origin);
        Length += chars.Length;
    }

    public void Append(AlignedText text, int start, int length)
    {
        Reserve(length);
        text._chars.AsSpan(start, length).CopyTo(_chars.AsSpan(Length));
        text._origins.AsSpan(start, length).CopyTo(_origins.AsSpan(Length));
        Length += length;
    }

    /// <summary>A copy of a part that can be changed on its own.</summary>
    public AlignedText Slice(int start, int length, int shift)
    {
        var result = new AlignedText(length, shift);
        result.Append(this, start, length);
        return result;
    }

    /// <summary>The origin of the unit before <paramref name="index"/>, which inserted characters share.</summary>
    public TextRange OriginBefore(int index) => index < 1 ? new TextRange(Shift, Shift) : _origins[Math.Min(index, Length) - 1];

    private void Reserve(int count)
    {
        if (Length + count <= _chars.Length)
        {
            return;
        }

        int capacity = Math.Max(Length + count, _chars.Length * 2);
        Array.Resize(ref _chars, capacity);
        Array.Resize(ref _origins, capacity);
    }
}
