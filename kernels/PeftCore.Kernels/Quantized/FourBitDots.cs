using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Dot products of four rows of codes of four bits with one row of float32, without a buffer of dequantised numbers: decoding a
/// token of one text. Sums are added in the order of <see cref="DotTiles{TSimd, TVector}.FourByOne"/> over the dequantised numbers, its
/// twin, with the same bits.</summary>
internal static unsafe class FourBitDots
{
    // The least bytes of codes to prefetch ahead, rounded up to whole groups of four rows: the next group follows in memory, while the
    // bytes right after a short row belong to one of the four that are being read.
    private const int PrefetchBytes = 8192;

    // Steps at once, of one block.
    private const int Width = 2 * FourBitRun.Group;

    /// <summary>Whether each row is whole blocks, each block a multiple of the 64 steps that share a scaled table, and this processor has
    /// AVX-512.</summary>
    public static bool Suits(QuantizedMatrix* matrix) => Avx512F.IsSupported && matrix->Kind != QuantizedKind.Int8
        && matrix->BlockSize % Width == 0 && matrix->Columns % matrix->BlockSize == 0;

    /// <summary>The dot products of four rows from <paramref name="row"/> on with z.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="row">The first of the rows.</param>
    /// <param name="step">The first column, a multiple of 64.</param>
    /// <param name="steps">Columns, a multiple of 64.</param>
    /// <param name="z">As many numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector128<float> FourByOne(QuantizedMatrix* matrix, int row, int step, int steps, float* z)
    {
        int shift = matrix->BlockShift, into = step & (matrix->BlockSize - 1), most = ((into + steps - 1) >> shift) + 1;
        long first = (long)row * matrix->Columns + step, block = first >> shift, blocks = matrix->Columns >> shift;
        nint stride = matrix->Columns >> 1, ahead = (PrefetchBytes + 4 * stride - 1) / (4 * stride) * 4 * stride;
        float* scales0 = matrix->Scales + block, scales1 = scales0 + blocks, scales2 = scales1 + blocks, scales3 = scales2 + blocks;
        if (matrix->IsDoubled)
        {
            float* buffer = stackalloc float[4 * most];
            var doubled = matrix->Doubled;
            scales0 = doubled.Load(block, most, buffer);
            scales1 = doubled.Load(block + blocks, most, buffer + most);
            scales2 = doubled.Load(block + 2 * blocks, most, buffer + 2 * most);
            scales3 = doubled.Load(block + 3 * blocks, most, buffer + 3 * most);
        }
        byte* codes = matrix->Codes + (first >> 1);
        var levels = Vector512.Load(FourBitLevels.Address(matrix->Kind));
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int p = 0; p < steps; p += Width, codes += Width / 2, z += Width)
        {
            int at = (into + p) >> shift;
            Vector512<float> z0 = Vector512.Load(z), z1 = Vector512.Load(z + 16), z2 = Vector512.Load(z + 32), z3 = Vector512.Load(z + 48);
            byte* next = codes + ahead;
            Sse.Prefetch0(next);
            s0 = Add(codes, levels * scales0[at], z0, z1, z2, z3, s0);
            Sse.Prefetch0(next + stride);
            s1 = Add(codes + stride, levels * scales1[at], z0, z1, z2, z3, s1);
            Sse.Prefetch0(next + 2 * stride);
            s2 = Add(codes + 2 * stride, levels * scales2[at], z0, z1, z2, z3, s2);
            Sse.Prefetch0(next + 3 * stride);
            s3 = Add(codes + 3 * stride, levels * scales3[at], z0, z1, z2, z3, s3);
        }
        return Simd512.Sums(s0, s1, s2, s3);
    }

    // The sum with 64 products of one block, 16 at a time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Add(byte* codes, Vector512<float> table, Vector512<float> z0, Vector512<float> z1, Vector512<float> z2,
        Vector512<float> z3, Vector512<float> sum)
    {
        FourBitRun.LookUp(codes, table, out var w0, out var w1);
        FourBitRun.LookUp(codes + FourBitRun.Group / 2, table, out var w2, out var w3);
        sum = Vector512.FusedMultiplyAdd(w1, z1, Vector512.FusedMultiplyAdd(w0, z0, sum));
        return Vector512.FusedMultiplyAdd(w3, z3, Vector512.FusedMultiplyAdd(w2, z2, sum));
    }
}
