using System.Buffers.Binary;
using PeftCore.Data;
using PeftCore.Io;
using StbImageSharp;

namespace PeftCore.Cli.Session;

/// <summary>Reads PNG and JPEG files as Pillow's convert("RGB") does: grey becomes three equal colors, palettes their colors,
/// transparency is dropped, and of 16-bit colors the upper 8 bits are taken; levels of 16-bit grey are cut at 255.</summary>
internal static class PictureFile
{
    // Pillow refuses more as a file made to fill the memory.
    private const long MostPixels = 178_956_970;

    // Of a PNG file: bits of a sample, followed by the kind of colors.
    private const int DepthAt = 24;
    private const byte Grey = 0;
    private const byte GreyWithAlpha = 4;

    private static readonly byte[] PngStart = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];
    private static readonly byte[] JpegStart = [0xFF, 0xD8, 0xFF];

    /// <summary>The endings of files that are read.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".png", ".jpg", ".jpeg"];

    /// <summary>Reads a file.</summary>
    /// <exception cref="BadInputException">The file is missing, no picture, truncated, or has a format that is not read.</exception>
    public static Picture Read(string path)
    {
        var (colors, height, width) = Decode(path);
        return Picture.FromRgb(path, colors, height, width);
    }

    /// <summary>Reads a file as bytes of colors, row by row.</summary>
    /// <exception cref="BadInputException">As <see cref="Read"/>.</exception>
    public static (byte[] Colors, int Height, int Width) Decode(string path)
    {
        byte[] bytes = BytesOf(path);
        bool isJpeg = bytes.AsSpan().StartsWith(JpegStart);
        if (isJpeg)
        {
            CheckJpeg(path, bytes);
        }
        else if (bytes.AsSpan().StartsWith(PngStart))
        {
            CheckPng(path, bytes);
        }
        else
        {
            string problem = bytes.Length == 0 ? "the file is empty" : "the file is neither a PNG nor a JPEG picture";
            throw new BadInputException($"{path}: {problem}; leave it out, or save the picture again.");
        }
        try
        {
            return isJpeg ? JpegFile.Decode(bytes) : DecodePng(bytes);
        }
        // The packages throw exceptions of several types for damaged files.
        catch (Exception e) when (e is not (BadInputException or OutOfMemoryException))
        {
            throw Damaged(path, e.Message.TrimEnd('.'), e);
        }
    }

    private static (byte[] Colors, int Height, int Width) DecodePng(byte[] bytes)
    {
        if (bytes[DepthAt] == 16 && bytes[DepthAt + 1] == Grey)
        {
            return DecodeDeepGrey([.. bytes]);
        }
        var image = ImageResult.FromMemory(bytes, ColorComponents.RedGreenBlue);
        return (image.Data, image.Height, image.Width);
    }

    /// <summary>Grey of 16 bits as Pillow converts it: levels above 255 become 255. The file is read as grey with alpha of 8 bits, whose
    /// bytes and filters are the same; so the grey is the upper half of a level, and the alpha the lower.</summary>
    private static (byte[] Colors, int Height, int Width) DecodeDeepGrey(byte[] bytes)
    {
        (bytes[DepthAt], bytes[DepthAt + 1]) = (8, GreyWithAlpha);
        for (int at = PngStart.Length; at + 12 <= bytes.Length; at += 12 + (int)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at)))
        {
            // The level that is transparent has no place in a file with alpha; a chunk of another name is passed over.
            if (bytes.AsSpan(at + 4).StartsWith("tRNS"u8))
            {
                bytes[at + 7] = (byte)'s';
            }
        }
        var image = ImageResult.FromMemory(bytes, ColorComponents.GreyAlpha);
        byte[] colors = new byte[3 * image.Width * image.Height];
        for (int i = 0; i < image.Width * image.Height; i++)
        {
            colors.AsSpan(3 * i, 3).Fill(image.Data[2 * i] > 0 ? (byte)255 : image.Data[2 * i + 1]);
        }
        return (colors, image.Height, image.Width);
    }

    private static byte[] BytesOf(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BadInputException($"{path}: there is no such file.", e);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
    }

    /// <summary>Walks over the chunks of a PNG file: each has its length, its name, its bytes and a checksum; the last is
    /// IEND.</summary>
    private static void CheckPng(string path, byte[] bytes)
    {
        for (int at = PngStart.Length; at + 12 <= bytes.Length;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at));
            if (length > bytes.Length - at - 12)
            {
                break;
            }
            var body = bytes.AsSpan(at + 4, (int)length + 4);
            if (PngFile.Checksum(body) != BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at + 8 + (int)length)))
            {
                throw Damaged(path, "a checksum does not fit");
            }
            if (body.StartsWith("IHDR"u8) && length == 13)
            {
                CheckSize(path, BinaryPrimitives.ReadUInt32BigEndian(body[4..]), BinaryPrimitives.ReadUInt32BigEndian(body[8..]));
            }
            if (body.StartsWith("IEND"u8))
            {
                return;
            }
            at += 12 + (int)length;
        }
        throw Truncated(path);
    }

    /// <summary>Walks over the segments of a JPEG file to its first scan, after which the end marker must follow; inside a scan it cannot
    /// occur.</summary>
    private static void CheckJpeg(string path, byte[] bytes)
    {
        for (int at = 2; at + 4 <= bytes.Length && bytes[at] == 0xFF;)
        {
            byte marker = bytes[at + 1];
            if (marker == 0xFF)
            {
                at++; // Fill bytes.
                continue;
            }
            if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC) && at + 9 <= bytes.Length)
            {
                CheckSize(path, BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at + 5)),
                    BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at + 7)));
            }
            if (marker == 0xDA)
            {
                if (bytes.AsSpan(at).LastIndexOf([(byte)0xFF, (byte)0xD9]) > 0)
                {
                    return;
                }
                break;
            }
            at += 2 + BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at + 2));
        }
        throw Truncated(path);
    }

    private static void CheckSize(string path, long one, long other)
    {
        if (one * other > MostPixels)
        {
            throw new BadInputException(
                $"{path}: the picture has {one} × {other} pixels, more than {MostPixels:N0} in all; make it smaller.");
        }
    }

    private static BadInputException Truncated(string path) =>
        new($"{path}: the picture is truncated: its end is missing; fetch the file again.");

    private static BadInputException Damaged(string path, string why, Exception? inner = null)
    {
        string text = $"{path}: the picture is damaged ({why}); fetch the file again.";
        return inner is null ? new(text) : new(text, inner);
    }
}
