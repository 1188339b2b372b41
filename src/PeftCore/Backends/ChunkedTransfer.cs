using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Between tensors of any size and host memory, which spans and arrays hold up to 2 GiB at a time.</summary>
internal static class ChunkedTransfer
{
    /// <summary>Most bytes copied at once.</summary>
    public const int Bytes = 1 << 26;

    /// <summary>The bytes of a piece of something, from an offset.</summary>
    public delegate ReadOnlySpan<byte> Source(long offset, int length);

    extension(Tensor tensor)
    {
        /// <summary>Fills the tensor from the host.</summary>
        public void Upload(Source source)
        {
            foreach (var (offset, piece) in tensor.InPieces())
            {
                piece.Backend.Upload(source(offset, (int)piece.ByteCount), piece);
            }
        }

        /// <summary>Copies the elements to the host.</summary>
        public void Download<T>(Span<T> values) where T : unmanaged
        {
            int size = tensor.DType.Size;
            foreach (var (offset, piece) in tensor.InPieces())
            {
                piece.Backend.Download(piece, MemoryMarshal.AsBytes(values.Slice((int)(offset / size), (int)piece.Count)));
            }
        }

        /// <summary>Writes the elements as they are stored.</summary>
        public void WriteTo(Stream stream)
        {
            foreach (var (_, piece) in tensor.InPieces())
            {
                stream.Write(piece.ToBytes());
            }
        }

        /// <summary>Short views that together are the whole tensor, with the byte each starts at. A view is let go when the next is asked
        /// for.</summary>
        private IEnumerable<(long Offset, Tensor Piece)> InPieces()
        {
            int size = tensor.DType.Size, most = Bytes / size;
            for (long at = 0; at < tensor.Count; at += most)
            {
                using var piece = tensor.Unscoped([(int)Math.Min(most, tensor.Count - at)], at);
                yield return (at * size, piece);
            }
        }
    }
}
