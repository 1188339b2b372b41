using System.Numerics;

namespace PeftCore.Cli.TensorBoard;

/// <summary>CRC-32C (Castagnoli, RFC 3720 appendix B.4), and its masked form in records of TensorFlow.</summary>
internal static class Crc32C
{
    private const uint MaskDelta = 0xA282EAD8;

    /// <summary>The checksum of bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }
        return ~crc;
    }

    /// <summary>The masked checksum: rotated right by 15 bits, plus a constant, so that the checksum of bytes that hold checksums is not
    /// degenerate.</summary>
    public static uint MaskedOf(ReadOnlySpan<byte> bytes) => BitOperations.RotateRight(Of(bytes), 15) + MaskDelta;
}
