using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Transfers between tensors of any size and host memory, in chunks: a span or array holds at most 2 GiB.</summary>
internal static class ChunkedTransfer
{
    /// <summary>Bytes of a chunk.</summary>
    public const int Bytes = 1 << 26;

    /// <summary>Yields the source's bytes of one chunk.</summary>
    public delegate ReadOnlySpan<byte> Source(long offset, int length);

    extension(Tensor tensor)
    {
        /// <summary>Copies the source's bytes to the tensor.</summary>
        public void Upload(Source source)
        {
            foreach (var (offset, chunk) in tensor.Chunks())
            {
                chunk.Backend.Upload(source(offset, (int)chunk.ByteCount), chunk);
            }
        }

        /// <summary>Copies the elements to the host.</summary>
        public void Download<T>(Span<T> values) where T : unmanaged
        {
            int size = tensor.DType.Size;
            foreach (var (offset, chunk) in tensor.Chunks())
            {
                chunk.Backend.Download(chunk, MemoryMarshal.AsBytes(values.Slice((int)(offset / size), (int)chunk.Count)));
            }
        }

        /// <summary>Writes the stored bytes.</summary>
        public void WriteTo(Stream stream)
        {
            foreach (var (_, chunk) in tensor.Chunks())
            {
                stream.Write(chunk.ToBytes());
            }
        }

        /// <summary>Views of chunks that together cover the tensor, with their byte offsets. A view is disposed before the next is
        /// yielded.</summary>
        private IEnumerable<(long Offset, Tensor Chunk)> Chunks()
        {
            int size = tensor.DType.Size, most = Bytes / size;
            for (long at = 0; at < tensor.Count; at += most)
            {
                using var chunk = tensor.Unscoped([(int)Math.Min(most, tensor.Count - at)], at);
                yield return (at * size, chunk);
            }
        }
    }
}
