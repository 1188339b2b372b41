using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Dot products of four rows of codes of four bits with one row of float32, without a buffer of dequantised numbers: decoding a
/// token of one text. Sums are added in the order of <see cref="DotTiles{TSimd, TVector}.FourByOne"/> over the dequantised numbers, its
/// twin, with the same bits.</summary>
internal static unsafe class FourBitDots
{
    // Bytes of a row to prefetch ahead.
    private const int Ahead = 1024;

    /// <summary>Whether groups of codes begin where rows do, and this processor has AVX-512.</summary>
    public static bool Suits(QuantizedMatrix* matrix) => Avx512F.IsSupported && matrix->Kind != QuantizedKind.Int8
        && matrix->Columns % FourBitRun.Group == 0;

    /// <summary>The dot products of four rows from <paramref name="row"/> on with z.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="row">The first of the rows.</param>
    /// <param name="step">The first column, a multiple of 32.</param>
    /// <param name="steps">Columns, a multiple of 32.</param>
    /// <param name="z">As many numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector128<float> FourByOne(QuantizedMatrix* matrix, int row, int step, int steps, float* z)
    {
        int columns = matrix->Columns, shift = matrix->BlockShift, most = (steps >> shift) + 2, mask = matrix->BlockSize - 1;
        long first0 = (long)row * columns + step, first1 = first0 + columns, first2 = first1 + columns, first3 = first2 + columns;
        float* scales0 = stackalloc float[4 * most], scales1 = scales0 + most, scales2 = scales1 + most, scales3 = scales2 + most;
        LoadScales(matrix, first0, steps, scales0);
        LoadScales(matrix, first1, steps, scales1);
        LoadScales(matrix, first2, steps, scales2);
        LoadScales(matrix, first3, steps, scales3);
        // Numbers between the start of a block and the first one.
        int in0 = (int)first0 & mask, in1 = (int)first1 & mask, in2 = (int)first2 & mask, in3 = (int)first3 & mask;
        byte* codes0 = matrix->Codes + (first0 >> 1), codes1 = matrix->Codes + (first1 >> 1);
        byte* codes2 = matrix->Codes + (first2 >> 1), codes3 = matrix->Codes + (first3 >> 1);
        var levels = Vector512.Load(FourBitLevels.Address(matrix->Kind));
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int p = 0; p < steps; p += FourBitRun.Group)
        {
            Vector512<float> low = Vector512.Load(z + p), high = Vector512.Load(z + p + 16);
            s0 = Add(codes0 + (p >> 1), levels * scales0[(in0 + p) >> shift], low, high, s0);
            s1 = Add(codes1 + (p >> 1), levels * scales1[(in1 + p) >> shift], low, high, s1);
            s2 = Add(codes2 + (p >> 1), levels * scales2[(in2 + p) >> shift], low, high, s2);
            s3 = Add(codes3 + (p >> 1), levels * scales3[(in3 + p) >> shift], low, high, s3);
        }
        return Simd512.Sums(s0, s1, s2, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Add(byte* from, Vector512<float> table, Vector512<float> low, Vector512<float> high,
        Vector512<float> sum)
    {
        Sse.Prefetch0(from + Ahead);
        Vector128<byte> pairs = Vector128.Load(from), mask = Vector128.Create((byte)15);
        Vector128<byte> even = (pairs.AsUInt16() >>> 4).AsByte() & mask, odd = pairs & mask;
        var first = Avx512F.ConvertToVector512Int32(Sse2.UnpackLow(even, odd));
        var second = Avx512F.ConvertToVector512Int32(Sse2.UnpackHigh(even, odd));
        sum = Vector512.FusedMultiplyAdd(Avx512F.PermuteVar16x32(table, first), low, sum);
        return Vector512.FusedMultiplyAdd(Avx512F.PermuteVar16x32(table, second), high, sum);
    }

    private static void LoadScales(QuantizedMatrix* matrix, long first, int count, float* scales)
    {
        long block = first >> matrix->BlockShift, last = (first + count - 1) >> matrix->BlockShift;
        matrix->LoadScales(block, (int)(last - block) + 1, scales);
    }
}
