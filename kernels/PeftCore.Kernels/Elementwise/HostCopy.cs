namespace PeftCore.Kernels;

/// <summary>Copies host memory on all threads. Pages of a memory-mapped file are read by the threads that touch them, so that several reads
/// are under way at once.</summary>
internal static unsafe class HostCopy
{
    private const int Block = 1 << 18;

    public static void Copy(ReadOnlySpan<byte> from, Span<byte> to, WorkerPool pool)
    {
        Sizes.AtLeast(to, from.Length);
        fixed (byte* source = from, target = to)
        {
            Ranges.For(from.Length, new CopyBody(source, target), pool, Block);
        }
    }

    private readonly struct CopyBody(byte* from, byte* to) : IRangeBody
    {
        private readonly byte* _from = from, _to = to;

        public void Run(int start, int count) => Buffer.MemoryCopy(_from + start, _to + start, count, count);
    }
}
