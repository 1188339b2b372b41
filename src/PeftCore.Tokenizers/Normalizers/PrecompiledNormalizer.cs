using System.Buffers.Binary;
using System.Globalization;
using System.Text.Unicode;

namespace PeftCore.Tokenizers;

/// <summary>SentencePiece's compiled character map: a double-array trie from strings of bytes to offsets in a blob of
/// replacements.</summary>
internal sealed class PrecompiledNormalizer : INormalizer
{
    // Longer clusters are mapped character by character, as the reference does.
    private const int MaxClusterBytes = 6;
    private readonly uint[] _trie;
    private readonly byte[] _replacements;

    private PrecompiledNormalizer(uint[] trie, byte[] replacements)
    {
        _trie = trie;
        _replacements = replacements;
    }

    public static INormalizer Read(JsonField field)
    {
        if (field.IsNull)
        {
            return new NormalizerSequence([]);
        }

        if (!field.Element.TryGetBytesFromBase64(out byte[]? bytes) || bytes.Length < 4)
        {
            throw field.Bad("a character map of SentencePiece in base64");
        }

        uint size = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (size > bytes.Length - 4 || size % 4 != 0 || size == 0)
        {
            throw field.Bad("a character map whose trie is as long as its first four bytes say");
        }

        uint[] trie = new uint[size / 4];
        for (int i = 0; i < trie.Length; i++)
        {
            trie[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4 + 4 * i));
        }

        byte[] replacements = bytes[(4 + (int)size)..];
        return Utf8.IsValid(replacements)
            ? new PrecompiledNormalizer(trie, replacements)
            : throw field.Bad("a character map whose replacements are valid UTF-8");
    }

    public AlignedText Apply(AlignedText text)
    {
        var chars = text.Chars;
        var rewrites = new List<Rewrite>(chars.Length);
        bool modified = false;
        for (int i = 0; i < chars.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(chars[i..]);
            var cluster = chars.Slice(i, length);
            i += length;
            if (System.Text.Encoding.UTF8.GetByteCount(cluster) < MaxClusterBytes && Find(cluster) is { } whole)
            {
                modified = true;
                Replace(rewrites, CodePoints.Count(cluster), whole);
                continue;
            }

            for (int j = 0; j < cluster.Length;)
            {
                int units = cluster.CodePointLength(j);
                if (Find(cluster.Slice(j, units)) is { } part)
                {
                    modified = true;
                    Replace(rewrites, 1, part);
                }
                else
                {
                    rewrites.Add(new Rewrite(cluster.CodePointAt(j), 0));
                }

                j += units;
            }
        }

        return modified ? text.Transform(rewrites) : text;
    }

    private static void Replace(List<Rewrite> rewrites, int oldCount, string replacement)
    {
        int newCount = CodePoints.Count(replacement);
        int index = 0;
        foreach (var rune in replacement.EnumerateRunes())
        {
            rewrites.Add(new Rewrite(rune.Value, index++ < oldCount ? 0 : 1));
        }

        if (newCount < oldCount && rewrites.Count > 0)
        {
            // A removed character is aligned with the one before it. At the beginning of the text there is none, and the reference drops
            // the alignment too.
            rewrites[^1] = rewrites[^1] with { Change = rewrites[^1].Change + newCount - oldCount };
        }
    }

    /// <summary>The replacement of the shortest key that the text begins with.</summary>
    private string? Find(ReadOnlySpan<char> text)
    {
        Span<byte> utf8 = stackalloc byte[64];
        if (System.Text.Encoding.UTF8.GetByteCount(text) > utf8.Length)
        {
            return null;
        }

        int length = System.Text.Encoding.UTF8.GetBytes(text, utf8);
        uint node = Offset(_trie[0]);
        foreach (byte value in utf8[..length])
        {
            if (value == 0)
            {
                return null;
            }

            node ^= value;
            if (node >= (uint)_trie.Length || Label(_trie[node]) != value)
            {
                return null;
            }

            uint unit = _trie[node];
            node ^= Offset(unit);
            if (((unit >> 8) & 1) == 1)
            {
                return node < (uint)_trie.Length ? ReadReplacement((int)(_trie[node] & 0x7FFFFFFF)) : null;
            }
        }

        return null;
    }

    private string? ReadReplacement(int start)
    {
        if (start >= _replacements.Length)
        {
            return null;
        }

        int end = _replacements.AsSpan(start).IndexOf((byte)0);
        return System.Text.Encoding.UTF8.GetString(_replacements.AsSpan(start, end < 0 ? _replacements.Length - start : end));
    }

    private static uint Label(uint unit) => unit & (0x80000000 | 0xFF);

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1 << 9)) >> 6);
}
