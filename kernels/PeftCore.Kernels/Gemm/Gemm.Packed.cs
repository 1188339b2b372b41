using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Products with a prepacked B: a frozen weight that is packed once and used many times.</summary>
internal static unsafe partial class Gemm
{
    private const int MinPackedSteps = 16;

    /// <summary>Whether a product is faster with a prepacked B. Products of few rows read B once, in place; a narrow B is cheap to
    /// pack.</summary>
    public static bool GainsFromPacking(int m, int n, int k) => m > MaxInvariantRows && n >= SimdDispatch.TileColumns(Best)
        && k >= MinPackedSteps;

    /// <summary>Bytes of a prepacked B of k×n: columns are rounded up to whole strips.</summary>
    public static long PackedBytes(int n, int k, ElementType type) => PackedBytes(n, k, type, Best);

    internal static long PackedBytes(int n, int k, ElementType type, SimdLevel level)
    {
        long width = SimdDispatch.TileColumns(level);
        return (n + width - 1) / width * width * k * Elements.Size(type);
    }

    /// <summary>Packs op(B), k×n, in its element type, which must be F32 or BF16.</summary>
    public static void Pack(int n, int k, Operand b, bool transB, Span<byte> packed, WorkerPool pool) =>
        Pack(n, k, b, transB, packed, pool, Best);

    internal static void Pack(int n, int k, Operand b, bool transB, Span<byte> packed, WorkerPool pool, SimdLevel level)
    {
        Sizes.AtLeast(b, transB ? n : k, transB ? k : n);
        Sizes.AtLeast<byte>(packed, PackedBytes(n, k, b.Type, level));
        fixed (byte* from = b.Data, to = packed)
        {
            PrepackBody body = new(new PackedOperand(from, b.Type, b.Stride, transB), n, k, SimdDispatch.TileColumns(level), to, pool);
            pool.For(Ranges.Count(n, SimdDispatch.TileColumns(level)), ref body);
        }
    }

    /// <summary>C (m×n, row stride ldc) = alpha·op(A)·B, plus C when accumulating, with a prepacked B of k×n.</summary>
    public static void MultiplyPacked(int m, int n, int k, Operand a, bool transA, ReadOnlySpan<byte> packed, ElementType type,
        Span<float> c, int ldc,
        float alpha, bool accumulate, WorkerPool pool) =>
        MultiplyPacked(m, n, k, a, transA, packed, type, c, ldc, alpha, accumulate, pool, Best);

    internal static void MultiplyPacked(int m, int n, int k, Operand a, bool transA, ReadOnlySpan<byte> packed, ElementType type,
        Span<float> c, int ldc,
        float alpha, bool accumulate, WorkerPool pool, SimdLevel level)
    {
        if (m <= 0 || n <= 0)
        {
            return;
        }

        if (k <= 0)
        {
            Multiply(m, n, k, a, transA, default, false, c, ldc, alpha, accumulate, pool, level);
            return;
        }

        Sizes.AtLeast(a, transA ? k : m, transA ? m : k);
        Sizes.AtLeast(packed, PackedBytes(n, k, type, level));
        Sizes.AtLeast<float>(c, ((m - 1L) * ldc) + n);
        fixed (byte* pa = a.Data, pb = packed)
        fixed (float* pc = c)
        {
            PackedOperand rows = new(pa, a.Type, a.Stride, !transA), columns = new(pb, type, SimdDispatch.TileColumns(level), false, k);
            MatrixProduct product = new(m, n, k, rows, columns, pc, ldc, 1, alpha, accumulate);
            SimdDispatch.Run(level, new PackedAction(product, pool));
        }
    }

    private readonly struct PackedAction(MatrixProduct product, WorkerPool pool) : ISimdAction
    {
        public void Run<TTile, TSimd, TVector>()
            where TTile : struct, ITile
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => PackedProduct<TTile>.Run(product, pool);
    }

    private readonly struct PrepackBody(PackedOperand b, int n, int k, int width, byte* packed, WorkerPool pool) : IParallelBody
    {
        private readonly byte* _packed = packed;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int item)
        {
            int column = item * width, used = Math.Min(width, n - column);
            long at = (long)column * k, count = (long)width * k;
            if (b.Type == ElementType.F32)
            {
                b.Pack(column, used, width, 0, k, (float*)_packed + at);
                return;
            }

            using var f32 = pool.Scratch.Rent(count);
            b.Pack(column, used, width, 0, k, f32.Pointer);
            ushort* bf16 = (ushort*)_packed + at;
            for (long i = 0; i < count; i++)
            {
                // These numbers came from BF16, so the lower half is zero and truncation is exact.
                bf16[i] = (ushort)(BitConverter.SingleToUInt32Bits(f32.Pointer[i]) >> 16);
            }
        }
    }
}
