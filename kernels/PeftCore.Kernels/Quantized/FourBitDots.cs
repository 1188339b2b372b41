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
        var levels = Vector512.Load(FourBitLevels.Address(matrix->Kind));
        int columns = matrix->Columns, shift = matrix->BlockShift;
        long first0 = (long)row * columns + step, first1 = first0 + columns, first2 = first1 + columns, first3 = first2 + columns;
        byte* codes = matrix->Codes;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int p = 0; p < steps; p += FourBitRun.Group)
        {
            Vector512<float> low = Vector512.Load(z + p), high = Vector512.Load(z + p + 16);
            s0 = Add(codes + ((first0 + p) >> 1), levels * matrix->ScaleOf((first0 + p) >> shift), low, high, s0);
            s1 = Add(codes + ((first1 + p) >> 1), levels * matrix->ScaleOf((first1 + p) >> shift), low, high, s1);
            s2 = Add(codes + ((first2 + p) >> 1), levels * matrix->ScaleOf((first2 + p) >> shift), low, high, s2);
            s3 = Add(codes + ((first3 + p) >> 1), levels * matrix->ScaleOf((first3 + p) >> shift), low, high, s3);
        }
        return Simd512.Sums(s0, s1, s2, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Add(byte* from, Vector512<float> table, Vector512<float> low, Vector512<float> high,
        Vector512<float> sum)
    {
        Sse.Prefetch0(from + Ahead);
        var (first, second) = FourBitRun.Unpack(Vector128.Load(from));
        sum = Vector512.FusedMultiplyAdd(Avx512F.PermuteVar16x32(table, Avx512F.ConvertToVector512Int32(first)), low, sum);
        return Vector512.FusedMultiplyAdd(Avx512F.PermuteVar16x32(table, Avx512F.ConvertToVector512Int32(second)), high, sum);
    }
}
