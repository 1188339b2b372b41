using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PeftCore.Kernels;

/// <summary>Dequantises a run of adjacent numbers of a quantised matrix.</summary>
internal static unsafe class QuantizedRun
{
    /// <summary>y = <paramref name="count"/> numbers of one row, from a column on; a run may cross blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Load(QuantizedMatrix* matrix, int row, int column, int count, float* y)
    {
        long first = (long)row * matrix->Columns + column;
        if (matrix->Kind == QuantizedKind.Int8)
        {
            Int8Run.Decode((sbyte*)matrix->Codes + first, matrix->Scales[row], count, y);
            return;
        }
        LoadFourBits(matrix, first, count, y);
    }

    /// <summary>y = <paramref name="count"/> numbers from <paramref name="first"/> on, in row-major order; a run may cross blocks and
    /// rows.</summary>
    public static void Load(QuantizedMatrix* matrix, long first, int count, float* y)
    {
        if (matrix->Kind != QuantizedKind.Int8)
        {
            LoadFourBits(matrix, first, count, y);
            return;
        }
        for (int length; count > 0; first += length, count -= length, y += length)
        {
            long row = first / matrix->Columns;
            length = (int)Math.Min(count, (row + 1) * matrix->Columns - first);
            Int8Run.Decode((sbyte*)matrix->Codes + first, matrix->Scales[row], length, y);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LoadFourBits(QuantizedMatrix* matrix, long first, int count, float* y)
    {
        byte* codes = matrix->Codes;
        float* levels = FourBitLevels.Address(matrix->Kind);
        int blockSize = matrix->BlockSize;
        if (Avx512F.IsSupported && (first & (FourBitRun.Group - 1)) == 0)
        {
            var table = Vector512.Load(levels);
            for (; count >= FourBitRun.Group; first += FourBitRun.Group, count -= FourBitRun.Group, y += FourBitRun.Group)
            {
                FourBitRun.DecodeGroup(codes + (first >> 1), table * matrix->ScaleOf(first >> matrix->BlockShift), y);
            }
        }
        for (int length; count > 0; first += length, count -= length, y += length)
        {
            length = Math.Min(count, blockSize - (int)(first & (blockSize - 1)));
            FourBitRun.Decode(codes, levels, matrix->ScaleOf(first >> matrix->BlockShift), first, length, y);
        }
    }
}
