using System.Buffers.Binary;
using System.IO.Compression;
using PeftCore.Io;

namespace PeftCore.Cli.Session;

/// <summary>Writes pictures of 8-bit red, green and blue as PNG files.</summary>
internal static class PngFile
{
    private static readonly uint[] Remainders = [.. Enumerable.Range(0, 256).Select(i => Remainder((uint)i))];

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="pixels">(height, width, 3).</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    public static void Write(string path, ReadOnlySpan<byte> pixels, int height, int width)
    {
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            for (int row = 0; row < height; row++)
            {
                zlib.WriteByte(0); // The row as it is, without a filter.
                zlib.Write(pixels.Slice(row * width * 3, width * 3));
            }
        }
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (8, 2); // 8 bits of each of three colors.
        try
        {
            using var file = File.Create(path);
            Write(file, header, packed.ToArray());
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
    }

    private static void Write(Stream file, ReadOnlySpan<byte> header, ReadOnlySpan<byte> packed)
    {
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Chunk(file, "IHDR"u8, header);
        Chunk(file, "IDAT"u8, packed);
        Chunk(file, "IEND"u8, []);
    }

    /// <summary>The cyclic redundancy check of PNG: CRC-32.</summary>
    public static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc = Remainders[(byte)(crc ^ value)] ^ (crc >> 8);
        }
        return ~crc;
    }

    private static void Chunk(Stream file, ReadOnlySpan<byte> name, ReadOnlySpan<byte> bytes)
    {
        byte[] body = [.. name, .. bytes];
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, bytes.Length);
        file.Write(number);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Checksum(body));
        file.Write(number);
    }

    private static uint Remainder(uint value)
    {
        const uint Polynomial = 0xEDB8_8320;
        for (int bit = 0; bit < 8; bit++)
        {
            value = (value & 1) == 0 ? value >> 1 : Polynomial ^ (value >> 1);
        }
        return value;
    }
}
