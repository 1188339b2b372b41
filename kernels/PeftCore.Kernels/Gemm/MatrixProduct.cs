namespace PeftCore.Kernels;

/// <summary>All a product C (+)= alpha·A·Bᵀ needs to know, by address: A's strips are the rows of C, B's strips its columns.</summary>
internal readonly unsafe struct MatrixProduct(
    int m, int n, int k, PackedOperand a, PackedOperand b, float* c, nint rowStride, nint columnStride, float alpha, bool accumulate)
{
    public readonly int M = m, N = n, K = k;
    public readonly PackedOperand A = a, B = b;
    public readonly float* C = c;
    public readonly nint RowStride = rowStride, ColumnStride = columnStride;
    public readonly float Alpha = alpha;
    public readonly bool Accumulate = accumulate;

    /// <summary>The same numbers as the product Cᵀ (+)= alpha·B·Aᵀ.</summary>
    public MatrixProduct Swapped() => new(N, M, K, B, A, C, ColumnStride, RowStride, Alpha, Accumulate);

    /// <summary>C (+)= tile for a rows×columns piece at (row, column), the tile having rows of its own width.</summary>
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
