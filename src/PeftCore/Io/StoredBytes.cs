namespace PeftCore.Io;

/// <summary>The bytes of a stored tensor in host memory, in pieces: an array holds less than 2 GiB.</summary>
/// <param name="pieces">Pieces of <see cref="Piece"/> bytes; the last one may be shorter.</param>
internal sealed class StoredBytes(IReadOnlyList<byte[]> pieces)
{
    /// <summary>Bytes of a piece.</summary>
    public const int Piece = 16 << 20;

    public void WriteTo(Stream stream)
    {
        foreach (byte[] piece in pieces)
        {
            stream.Write(piece);
        }
    }

    /// <summary>Copies the bytes that begin at an offset, as many as the target holds.</summary>
    public void CopyTo(long offset, Span<byte> target)
    {
        while (target.Length > 0)
        {
            var (piece, at) = Math.DivRem(offset, Piece);
            var part = pieces[(int)piece].AsSpan((int)at);
            part = part[..Math.Min(part.Length, target.Length)];
            part.CopyTo(target);
            target = target[part.Length..];
            offset += part.Length;
        }
    }
}
