using System.Buffers.Binary;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Files;

/// <summary>Files of pictures: what is read as Pillow's convert("RGB") would, and what is refused.</summary>
public sealed class PictureFileTests
{
    // 2 × 2 pixels: grey of 1 bit, grey of 8, a palette with transparency, and colors with alpha, each without a filter.
    private static readonly (byte Depth, byte Kind, byte[] Rows, byte[]? Palette, byte[] Rgb)[] Kinds =
    [
        (1, 0, [0, 0b0100_0000, 0, 0b1000_0000], null, [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]),
        (8, 0, [0, 10, 20, 0, 30, 40], null, [10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40]),
        (8, 3, [0, 0, 1, 0, 1, 0], [1, 2, 3, 7, 8, 9], [1, 2, 3, 7, 8, 9, 7, 8, 9, 1, 2, 3]),
        (8, 6, [0, 1, 2, 3, 0, 4, 5, 6, 9, 0, 7, 8, 9, 255, 10, 11, 12, 1], null, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (16, 2, [0, 1, 99, 2, 99, 3, 99, 4, 0, 5, 0, 6, 0, 0, 7, 0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0], null,
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ];

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    [TestCase(4)]
    public void Every_kind_of_png_becomes_red_green_and_blue(int number)
    {
        using var directory = new TemporaryDirectory();
        var (depth, kind, rows, palette, rgb) = Kinds[number];
        string path = Path.Combine(directory.FullPath, "a.png");
        File.WriteAllBytes(path, Png(depth, kind, rows, palette));

        var (colors, height, width) = PictureFile.Decode(path);
        Assert.That((height, width), Is.EqualTo((2, 2)));
        Assert.That(colors, Is.EqualTo(rgb));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Levels_of_16_bit_grey_are_cut_at_255_as_by_Pillow(bool withTransparentLevel)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "a.png");
        // Levels 7 and 255, 256 and 65535; the second row is stored as differences from the first.
        byte[] bytes = Png(16, 0, [0, 0, 7, 0, 255, 2, 1, 249, 255, 0], palette: null);
        int picture = bytes.AsSpan().IndexOf("IDAT"u8) - 4;
        File.WriteAllBytes(path, withTransparentLevel ? [.. bytes[..picture], .. Chunk("tRNS", [0, 7]), .. bytes[picture..]] : bytes);
        Assert.That(PictureFile.Decode(path).Colors, Is.EqualTo(new byte[] { 7, 7, 7, 255, 255, 255, 255, 255, 255, 255, 255, 255 }));
    }

    [Test]
    public void A_picture_that_was_written_is_read_again()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "a.png");
        byte[] pixels = [.. Enumerable.Range(0, 5 * 7 * 3).Select(i => (byte)(11 * i))];
        PngFile.Write(path, pixels, 5, 7);
        var (colors, height, width) = PictureFile.Decode(path);
        Assert.That((height, width), Is.EqualTo((5, 7)));
        Assert.That(colors, Is.EqualTo(pixels));
    }

    [Test]
    public void A_picture_of_too_many_pixels_is_refused_before_memory_is_taken()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "a.png");
        File.WriteAllBytes(path, Png(8, 2, [0], null, side: 1 << 17));
        Assert.That(() => PictureFile.Read(path), Throws.TypeOf<BadInputException>().With.Message.Contains("131072 × 131072"));
    }

    [TestCase("FFD8FFE000104A46494600010100000100010000FFDA0008010100003F00", "truncated")]
    [TestCase("FFD8FF", "truncated")]
    [TestCase("47494638396101000100", "neither a PNG nor a JPEG")]
    public void A_jpeg_without_its_end_and_another_format_are_refused(string hex, string problem)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.FullPath, "a.jpg");
        File.WriteAllBytes(path, Convert.FromHexString(hex));
        Assert.That(() => PictureFile.Read(path), Throws.TypeOf<BadInputException>().With.Message.StartsWith(path)
            .And.Message.Contains(problem));
    }

    private static byte[] Png(byte depth, byte kind, byte[] rows, byte[]? palette, int side = 2)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, side);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), side);
        (header[8], header[9]) = (depth, kind);
        using var packed = new MemoryStream();
        using (var zlib = new System.IO.Compression.ZLibStream(packed, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
        {
            zlib.Write(rows);
        }
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, .. Chunk("IHDR", header),
            .. palette is null ? [] : Chunk("PLTE", palette), .. palette is null ? [] : Chunk("tRNS", [0, 128]),
            .. Chunk("IDAT", packed.ToArray()), .. Chunk("IEND", [])];
    }

    private static byte[] Chunk(string name, byte[] bytes)
    {
        byte[] body = [.. System.Text.Encoding.ASCII.GetBytes(name), .. bytes], number = new byte[4], check = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, bytes.Length);
        BinaryPrimitives.WriteUInt32BigEndian(check, PngFile.Checksum(body));
        return [.. number, .. body, .. check];
    }
}
