using System.Runtime.InteropServices;

namespace PeftCore.Tokenizers;

/// <summary>Turns characters of <see cref="ByteAlphabet"/> back into bytes and those into text. A token with any other character, such as
/// an added one, is taken as the text it is.</summary>
internal sealed class ByteLevelDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens)
    {
        var bytes = new List<byte>(tokens.Count * 4);
        foreach (string token in tokens)
        {
            int start = bytes.Count;
            foreach (char c in token)
            {
                int value = ByteAlphabet.ToByte(c);
                if (value < 0)
                {
                    CollectionsMarshal.SetCount(bytes, start);
                    bytes.AddRange(System.Text.Encoding.UTF8.GetBytes(token));
                    break;
                }

                bytes.Add((byte)value);
            }
        }

        return [System.Text.Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes))];
    }
}
