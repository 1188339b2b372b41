using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Turns ranges counted in bytes of UTF-8, as the models count, into ranges of UTF-16 units. A range that ends inside a
/// character covers the whole of it.</summary>
internal static class ByteOffsets
{
    public static void ToUnits(ReadOnlySpan<char> piece, ModelToken[] tokens)
    {
        if (Ascii.IsValid(piece))
        {
            return;
        }

        int unit = 0;
        int unitByte = 0;
        for (int i = 0; i < tokens.Length; i++)
        {
            var (_, start, end, _) = tokens[i];
            Advance(piece, start, ref unit, ref unitByte);
            int startUnit = unit;
            Advance(piece, end - 1, ref unit, ref unitByte);
            int endUnit = unit < piece.Length ? unit + piece.CodePointLength(unit) : unit;
            tokens[i] = tokens[i] with { Start = startUnit, End = endUnit };
        }
    }

    /// <summary>Moves to the code point that holds a byte.</summary>
    private static void Advance(ReadOnlySpan<char> piece, int target, ref int unit, ref int unitByte)
    {
        while (unit < piece.Length)
        {
            int bytes = CodePoints.Utf8Length(piece.CodePointAt(unit));
            if (unitByte + bytes > target)
            {
                return;
            }

            unitByte += bytes;
            unit += piece.CodePointLength(unit);
        }
    }
}
