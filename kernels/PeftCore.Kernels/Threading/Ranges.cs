namespace PeftCore.Kernels;

/// <summary>A loop body over ranges of elements or rows.</summary>
internal interface IRangeBody
{
    void Run(int start, int count);
}

/// <summary>Parallel loops over blocks of a fixed size: the blocks, and so the results, do not depend on the number of threads.</summary>
internal static class Ranges
{
    /// <summary>Elements of a block: 64 KiB of floats, long enough to hide the cost of handing it out, short enough to balance.</summary>
    public const int Elements = 16384;

    public static void For<TBody>(int length, TBody body, WorkerPool pool, int block = Elements)
        where TBody : struct, IRangeBody
    {
        if (length <= block)
        {
            if (length > 0)
            {
                body.Run(0, length);
            }

            return;
        }

        Items<TBody> items = new(body, length, block);
        pool.For(Count(length, block), ref items);
    }

    /// <summary>Splits rows so that a block has about <see cref="Elements"/> elements.</summary>
    public static void ForRows<TBody>(int rows, int cols, TBody body, WorkerPool pool)
        where TBody : struct, IRangeBody => For(rows, body, pool, Math.Max(1, Elements / Math.Max(cols, 1)));

    public static int Count(int length, int block) => (int)(((long)length + block - 1) / block);

    private struct Items<TBody>(TBody body, int length, int block) : IParallelBody
        where TBody : struct, IRangeBody
    {
        private readonly TBody _body = body;

        public void Run(int item)
        {
            int start = item * block;
            _body.Run(start, Math.Min(block, length - start));
        }
    }
}
