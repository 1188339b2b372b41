namespace PeftCore.Data;

/// <summary>Cuts a long text into pieces that are encoded one by one, so that the tokenizer's memory does not grow with the file. A cut is
/// after a single line end between two other characters, which no token of a common tokenizer spans.</summary>
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
