namespace PeftCore.Tokenizers;

/// <summary>Takes the spaces at the ends of byte-level tokens out of their offsets.</summary>
internal sealed class ByteLevelPostProcessor(bool addPrefixSpace, bool trimOffsets) : IPostProcessor
{
    public IReadOnlyList<Encoding> Process(IReadOnlyList<Encoding> sequences, bool addSpecialTokens) =>
        trimOffsets ? [.. sequences.Select(s => Trim(s, addPrefixSpace))] : sequences;

    internal static Encoding Trim(Encoding sequence, bool addPrefixSpace)
    {
        var offsets = (TextRange[])sequence.Offsets.Clone();
        for (int i = 0; i < offsets.Length; i++)
        {
            string token = sequence.Tokens[i];
            var (start, end) = offsets[i];
            int leading = 0;
            while (leading < token.Length && IsSpace(token[leading]))
            {
                leading++;
            }

            int trailing = 0;
            while (trailing < token.Length && IsSpace(token[^(trailing + 1)]))
            {
                trailing++;
            }

            if (leading == 1 && addPrefixSpace && (i == 0 || start == 0))
            {
                // The pre-tokenizer added the space in front, so it has no offset in the text.
                leading = 0;
            }

            start = leading > 0 ? Math.Min(start + leading, end) : start;
            end = trailing > 0 && end >= trailing ? Math.Max(end - trailing, start) : end;
            offsets[i] = new TextRange(start, end);
        }

        return sequence.WithOffsets(offsets);
    }

    private static bool IsSpace(char c) => c == ByteAlphabet.Space || char.IsWhiteSpace(c);
}
