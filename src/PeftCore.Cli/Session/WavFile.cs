using System.Buffers.Binary;
using NAudio.Wave;
using PeftCore.Data;

namespace PeftCore.Cli.Session;

/// <summary>Reads WAV files: PCM of 8, 16, 24 or 32 bits and floating-point numbers of 32 or 64, with any number of channels.</summary>
internal static class WavFile
{
    /// <summary>The endings of files that are read.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".wav"];

    /// <summary>Reads a file.</summary>
    /// <exception cref="BadInputException">The file is missing, no WAV file, truncated, or has a format that is not read.</exception>
    public static Waveform Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            CheckLength(path, file);
            using var reader = new WaveFileReader(file);
            var format = reader.WaveFormat.AsStandardWaveFormat();
            byte[] bytes = Bytes(path, reader);
            return Waveform.FromChannels(path, Samples(path, bytes, format), format.Channels, format.SampleRate);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BadInputException($"{path}: there is no such file.", e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException || (e is IOException and not EndOfStreamException))
        {
            throw new BadInputException($"{path}: the file cannot be read ({e.Message.TrimEnd('.')}).", e);
        }
        // The package throws exceptions of several types for files that are no WAV files.
        catch (Exception e) when (e is not (BadInputException or OutOfMemoryException))
        {
            throw new BadInputException($"{path}: not a WAV file that can be read ({e.Message.TrimEnd('.')}); convert it to WAV, for " +
                "example with ffmpeg.", e);
        }
    }

    /// <summary>Compares the length that the header names with the file, which the package does not. A program that wrote to a pipe names
    /// the largest number.</summary>
    private static void CheckLength(string path, FileStream file)
    {
        byte[] chunk = new byte[8];
        for (file.Position = 12; file.ReadAtLeast(chunk, chunk.Length, throwOnEndOfStream: false) == chunk.Length;)
        {
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(chunk.AsSpan(4));
            if (chunk.AsSpan(0, 4).SequenceEqual("data"u8))
            {
                long there = file.Length - file.Position;
                if (size != uint.MaxValue && size > there)
                {
                    throw new BadInputException(
                        $"{path}: the file is truncated: it has {there} bytes of sound of the {size} that its header names; fetch " +
                        "it again.");
                }
                break;
            }
            file.Position += size + size % 2;
        }
        file.Position = 0;
    }

    private static byte[] Bytes(string path, WaveFileReader reader)
    {
        byte[] bytes = new byte[Math.Min(reader.Length, Math.Max(0, new FileInfo(path).Length))];
        int read = 0, count;
        while (read < bytes.Length && (count = reader.Read(bytes, read, bytes.Length - read)) > 0)
        {
            read += count;
        }
        return read == reader.Length ? bytes : throw new BadInputException(
            $"{path}: the file is truncated: it has {read} bytes of sound of the {reader.Length} that its header names; fetch it again.");
    }

    private static float[] Samples(string path, byte[] bytes, WaveFormat format)
    {
        int width = format.BitsPerSample / 8;
        Func<ReadOnlySpan<byte>, float> read = (format.Encoding, format.BitsPerSample) switch
        {
            (WaveFormatEncoding.Pcm, 8) => b => (b[0] - 128) / 128f,
            (WaveFormatEncoding.Pcm, 16) => b => BinaryPrimitives.ReadInt16LittleEndian(b) / 32768f,
            (WaveFormatEncoding.Pcm, 24) => b => ((b[0] << 8 | b[1] << 16 | b[2] << 24) >> 8) / 8388608f,
            (WaveFormatEncoding.Pcm, 32) => b => BinaryPrimitives.ReadInt32LittleEndian(b) / 2147483648f,
            (WaveFormatEncoding.IeeeFloat, 32) => BinaryPrimitives.ReadSingleLittleEndian,
            (WaveFormatEncoding.IeeeFloat, 64) => b => (float)BinaryPrimitives.ReadDoubleLittleEndian(b),
            _ => throw new BadInputException($"{path}: the sound is {format.Encoding} of {format.BitsPerSample} bits, expected PCM of 8, " +
                "16, 24 or 32 bits or floating-point numbers; convert it, for example with ffmpeg."),
        };
        float[] samples = new float[bytes.Length / width];
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = read(bytes.AsSpan(i * width, width));
        }
        return samples;
    }
}
