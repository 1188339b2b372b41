namespace PeftCore.Kernels;

/// <summary>Dequantises a run of adjacent numbers of a quantised matrix.</summary>
internal static unsafe class QuantizedRun
{
    /// <summary>y = <paramref name="count"/> numbers from <paramref name="first"/> on, in row-major order; a run may cross blocks and
    /// rows.</summary>
    public static void Load(in QuantizedMatrix matrix, long first, int count, float* y)
    {
        int block = matrix.BlockSize == 0 ? matrix.Columns : matrix.BlockSize;
        while (count > 0)
        {
            long index = first / block;
            int length = (int)Math.Min(count, (index + 1) * block - first);
            float scale = matrix.ScaleOf(index);
            if (matrix.Kind == QuantizedKind.Int8)
            {
                RowCodes.Dequantize(new((sbyte*)matrix.Codes + first, length), scale, new(y, length));
            }
            else
            {
                FourBitCodes.Dequantize(matrix.Codes, matrix.Kind, scale, first, new(y, length));
            }
            first += length;
            count -= length;
            y += length;
        }
    }
}
