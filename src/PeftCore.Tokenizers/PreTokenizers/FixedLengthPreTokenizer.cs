namespace PeftCore.Tokenizers;

/// <summary>Cuts pieces of a fixed number of characters.</summary>
internal sealed class FixedLengthPreTokenizer(int length) : IPreTokenizer
{
    public List<Piece> Apply(List<Piece> pieces)
    {
        var result = new List<Piece>();
        foreach (var piece in pieces)
        {
            if (piece.IsToken)
            {
                result.Add(piece);
                continue;
            }

            for (int start = 0, end = 0; start < piece.Length; start = end)
            {
                for (int count = 0; count < length && end < piece.Length; count++)
                {
                    end += piece.Chars.CodePointLength(end);
                }

                result.Add(piece.Part(start, end));
            }
        }

        return result;
    }
}
