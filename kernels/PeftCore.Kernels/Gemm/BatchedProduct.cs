namespace PeftCore.Kernels;

/// <summary>Strides of the matrices of one operand: element (row, column) of matrix i is at Offset + i·Batch + row·Row +
/// column·Column.</summary>
/// <param name="Batch">From one matrix to the next; 0 for a matrix that all products share.</param>
/// <param name="Row">From one row to the next.</param>
/// <param name="Column">From one column to the next.</param>
/// <param name="Offset">Position of the first element.</param>
internal readonly record struct MatrixStrides(int Batch, int Row, int Column, int Offset = 0)
{
    /// <summary>The same matrices transposed.</summary>
    public MatrixStrides Transposed => new(Batch, Column, Row, Offset);

    /// <summary>Position of an element.</summary>
    public long At(int matrix, int row, int column) => Offset + (long)matrix * Batch + (long)row * Row + (long)column * Column;
}

/// <summary>Strided batched products: C[i] = α·A[i]·B[i] (+ C[i]) for i below <see cref="Count"/>, with A (m, k), B (k, n) and C (m, n). If
/// C's batch stride is 0, C is the sum over i.</summary>
/// <param name="Count">Number of products.</param>
/// <param name="M">Rows of A and C.</param>
/// <param name="K">Columns of A, rows of B.</param>
/// <param name="N">Columns of B and C.</param>
/// <param name="A">Strides of A.</param>
/// <param name="B">Strides of B.</param>
/// <param name="C">Strides of C.</param>
/// <param name="Alpha">α</param>
/// <param name="Accumulate">Add to C.</param>
internal readonly record struct BatchedProduct(
    int Count, int M, int K, int N, MatrixStrides A, MatrixStrides B, MatrixStrides C, float Alpha = 1, bool Accumulate = false)
{
    /// <summary>Whether all products are added up in one C.</summary>
    public bool IsSum => C.Batch == 0 && Count != 1;

    /// <summary>dA = dC·Bᵀ, for the gradient of A.</summary>
    public BatchedProduct GradientOfA(bool accumulate) => new(Count, M, N, K, C, B.Transposed, A, Alpha, accumulate);

    /// <summary>dB = Aᵀ·dC, for the gradient of B.</summary>
    public BatchedProduct GradientOfB(bool accumulate) => new(Count, K, M, N, A.Transposed, C, B, Alpha, accumulate);
}
