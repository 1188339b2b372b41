using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Transfers, fills and comparisons of tensors of any size, in chunks: a span or an array holds at most 2 GiB, and what converts
/// values needs memory for one chunk only.</summary>
internal static class ChunkedTransfer
{
    /// <summary>Elements of a chunk: 16 MiB of F32.</summary>
    public const int Elements = 1 << 22;

    /// <summary>Returns the source's bytes of one chunk.</summary>
    public delegate ReadOnlySpan<byte> Source(long offset, int length);

    extension(Tensor tensor)
    {
        /// <summary>Copies the source's bytes to the tensor.</summary>
        public void Upload(Source source)
        {
            int size = tensor.DType.Size;
            foreach (var (first, chunk) in tensor.Chunks())
            {
                chunk.Backend.Upload(source(first * size, (int)chunk.ByteCount), chunk);
            }
        }

        /// <summary>Copies values from the host; as many as the tensor has elements, of the size of its dtype.</summary>
        public void Upload<T>(ReadOnlySpan<T> values) where T : unmanaged
        {
            foreach (var (first, chunk) in tensor.Chunks())
            {
                chunk.Backend.Upload(MemoryMarshal.AsBytes(values.Slice((int)first, (int)chunk.Count)), chunk);
            }
        }

        /// <summary>Copies the elements to the host.</summary>
        public void Download<T>(Span<T> values) where T : unmanaged
        {
            foreach (var (first, chunk) in tensor.Chunks())
            {
                chunk.Backend.Download(chunk, MemoryMarshal.AsBytes(values.Slice((int)first, (int)chunk.Count)));
            }
        }

        /// <summary>Writes the stored bytes.</summary>
        public void WriteTo(Stream stream)
        {
            byte[] bytes = tensor.NewBuffer();
            foreach (var (_, chunk) in tensor.Chunks())
            {
                stream.Write(chunk.DownloadTo(bytes));
            }
        }

        /// <summary>Whether two tensors have the same shape, dtype and stored bytes.</summary>
        public bool HasSameBytes(Tensor other)
        {
            if (tensor.Shape != other.Shape || tensor.DType != other.DType)
            {
                return false;
            }
            byte[] own = tensor.NewBuffer(), others = tensor.NewBuffer();
            foreach (var (first, chunk) in tensor.Chunks())
            {
                using var counterpart = other.Unscoped(chunk.Shape, first);
                if (!chunk.DownloadTo(own).SequenceEqual(counterpart.DownloadTo(others)))
                {
                    return false;
                }
            }
            return true;
        }

        /// <summary>Views of at most <paramref name="most"/> elements that together cover the tensor, with the index of their first
        /// element. A view is disposed before the next is yielded.</summary>
        public IEnumerable<(long First, Tensor Chunk)> Chunks(int most = Elements)
        {
            for (long first = 0; first < tensor.Count; first += most)
            {
                using var chunk = tensor.Unscoped([(int)Math.Min(most, tensor.Count - first)], first);
                yield return (first, chunk);
            }
        }

        /// <summary>Copies the bytes of a chunk to the beginning of a buffer and returns them.</summary>
        public ReadOnlySpan<byte> DownloadTo(byte[] buffer)
        {
            var bytes = buffer.AsSpan(0, (int)tensor.ByteCount);
            tensor.Backend.Download(tensor, bytes);
            return bytes;
        }

        /// <summary>A buffer for the bytes of each chunk.</summary>
        public byte[] NewBuffer() => new byte[Math.Min(tensor.Count, Elements) * tensor.DType.Size];
    }
}
