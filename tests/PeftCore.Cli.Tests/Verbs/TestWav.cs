using System.Buffers.Binary;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Writes WAV files.</summary>
internal static class TestWav
{
    /// <summary>Writes a file. All channels but the first are silent.</summary>
    /// <param name="path">The file.</param>
    /// <param name="samples">The samples of the first channel.</param>
    /// <param name="rate">Samples a second.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="format">1 for integers, 3 for floating-point numbers.</param>
    /// <param name="bits">Bits of a sample.</param>
    public static string Write(string path, double[] samples, int rate, int channels = 1, int format = 1, int bits = 16)
    {
        byte[] sound = [.. samples.SelectMany(sample => Enumerable.Range(0, channels)
            .SelectMany(channel => Bytes(channel == 0 ? sample : 0, format, bits)))];
        byte[] header = new byte[44];
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), 36 + sound.Length);
        "WAVEfmt "u8.CopyTo(header.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), 16);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(20), (short)format);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(22), (short)channels);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(24), rate);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(28), rate * channels * bits / 8);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(32), (short)(channels * bits / 8));
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(34), (short)bits);
        "data"u8.CopyTo(header.AsSpan(36));
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(40), sound.Length);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, [.. header, .. sound]);
        return path;
    }

    private static byte[] Bytes(double sample, int format, int bits) => (format, bits) switch
    {
        (3, 32) => BitConverter.GetBytes((float)sample),
        (3, _) => BitConverter.GetBytes(sample),
        (_, 8) => [(byte)(128 + 127 * sample)],
        _ => BitConverter.GetBytes((int)(sample * int.MaxValue))[(4 - bits / 8)..],
    };
}
