using System.Numerics;
using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>Read bandwidth of memory with all threads: the upper bound of a product with few rows, which reads its weights once.</summary>
internal static unsafe class ReadPeak
{
    private const int Block = 1 << 18;

    /// <summary>Reads bytes, a multiple of 256 KiB.</summary>
    public static void Run(byte* from, long bytes, WorkerPool pool)
    {
        Body body = new(from);
        pool.For((int)(bytes / Block), ref body);
    }

    private readonly struct Body(byte* from) : IParallelBody
    {
        private static byte _keep;
        private readonly byte* _from = from;

        public void Run(int item)
        {
            byte* p = _from + ((long)item * Block);
            int width = Vector<byte>.Count;
            Vector<byte> a = default, b = default, c = default, d = default;
            for (int at = 0; at < Block; at += 4 * width)
            {
                a |= Vector.Load(p + at);
                b |= Vector.Load(p + at + width);
                c |= Vector.Load(p + at + (2 * width));
                d |= Vector.Load(p + at + (3 * width));
            }

            Volatile.Write(ref _keep, Vector.Sum(a | b | c | d));
        }
    }
}
