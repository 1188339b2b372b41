namespace PeftCore.Data;

/// <summary>Cuts a long text into pieces that can be encoded on their own, so that the memory a tokenizer needs does not grow with the
/// file. A cut falls after a single line end between two other characters, where no common tokenizer has a token across.</summary>
internal static class DocumentPieces
{
    private const int Size = 4 << 20;

    public static IEnumerable<string> Of(string text, int size = Size)
    {
        int start = 0;
        for (int at = size; at < text.Length; at++)
        {
            if (text[at - 1] != '\n' || char.IsWhiteSpace(text[at]) || at < 2 || char.IsWhiteSpace(text[at - 2]))
            {
                continue;
            }

            yield return text[start..at];
            start = at;
            at += size;
        }
        yield return text[start..];
    }
}
