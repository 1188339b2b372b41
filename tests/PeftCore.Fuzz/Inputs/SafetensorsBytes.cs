using System.Buffers.Binary;
using System.Text;

namespace PeftCore.Fuzz.Inputs;

/// <summary>Makes safetensors files by hand, right or wrong.</summary>
internal static class SafetensorsBytes
{
    public const string TwoTensors =
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}}""";

    public const int TwoTensorsData = 19;

    public static byte[] File(string header, int dataBytes) => File(Encoding.UTF8.GetBytes(header), dataBytes);

    public static byte[] File(byte[] header, int dataBytes)
    {
        byte[] file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)header.Length);
        header.CopyTo(file, 8);
        for (int i = 0; i < dataBytes; i++)
        {
            file[8 + header.Length + i] = (byte)(i * 7);
        }

        return file;
    }
}
