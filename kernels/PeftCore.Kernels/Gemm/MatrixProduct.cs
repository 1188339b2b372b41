using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>A product C (+)= alpha·A·Bᵀ by address: rows of A are rows of C, rows of B are columns of C, and both run over k
/// steps.</summary>
internal readonly unsafe struct MatrixProduct(
    int m, int n, int k, PackedOperand a, PackedOperand b, float* c, nint rowStride, nint columnStride, float alpha, bool accumulate)
{
    public readonly int M = m, N = n, K = k;
    public readonly PackedOperand A = a, B = b;
    public readonly float* C = c;
    public readonly nint RowStride = rowStride, ColumnStride = columnStride;
    public readonly float Alpha = alpha;
    public readonly bool Accumulate = accumulate;

    /// <summary>The same product as Cᵀ (+)= alpha·B·Aᵀ.</summary>
    public MatrixProduct Swapped() => new(N, M, K, B, A, C, ColumnStride, RowStride, Alpha, Accumulate);

    /// <summary>C (+)= tile, for rows×columns elements at (row, column); rows of the tile are <paramref name="width"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Put(float* tile, int width, int row, int rows, int column, int columns, bool accumulate)
    {
        float* c = C + (row * RowStride) + (column * ColumnStride);
        for (int r = 0; r < rows; r++, tile += width, c += RowStride)
        {
            if (ColumnStride != 1)
            {
                for (int j = 0; j < columns; j++)
                {
                    c[j * ColumnStride] = accumulate ? c[j * ColumnStride] + tile[j] : tile[j];
                }
            }
            else if (accumulate)
            {
                VectorLoops.Zip<Sum, Overwrite>(default, c, tile, c, columns);
            }
            else
            {
                Buffer.MemoryCopy(tile, c, columns * sizeof(float), columns * sizeof(float));
            }
        }
    }
}
