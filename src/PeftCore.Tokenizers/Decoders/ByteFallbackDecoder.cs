using System.Globalization;
using System.Text.Unicode;

namespace PeftCore.Tokenizers;

/// <summary>Turns runs of byte tokens ("&lt;0xE2&gt;") into the text they spell, or into one U+FFFD for each byte if they spell
/// none.</summary>
internal sealed class ByteFallbackDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens)
    {
        var result = new List<string>(tokens.Count);
        var bytes = new List<byte>();
        foreach (string token in tokens)
        {
            if (token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
                && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
            {
                bytes.Add(value);
                continue;
            }

            Flush(bytes, result);
            result.Add(token);
        }

        Flush(bytes, result);
        return result;
    }

    private static void Flush(List<byte> bytes, List<string> result)
    {
        if (bytes.Count == 0)
        {
            return;
        }

        byte[] run = bytes.ToArray();
        if (Utf8.IsValid(run))
        {
            result.Add(System.Text.Encoding.UTF8.GetString(run));
        }
        else
        {
            result.AddRange(Enumerable.Repeat("\uFFFD", run.Length));
        }

        bytes.Clear();
    }
}
