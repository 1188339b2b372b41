namespace PeftCore.Kernels;

/// <summary>Where the matrices of one operand lie: element (row, column) of matrix i is at offset + i·batch + row·row stride +
/// column·column stride.</summary>
/// <param name="Batch">From one matrix to the next; 0 for one that all products share.</param>
/// <param name="Row">From one row to the next.</param>
/// <param name="Column">From one column to the next.</param>
/// <param name="Offset">Of the first element.</param>
public readonly record struct MatrixStrides(int Batch, int Row, int Column, int Offset = 0)
{
    /// <summary>The same matrices transposed.</summary>
    public MatrixStrides Transposed => new(Batch, Column, Row, Offset);

    /// <summary>Position of an element.</summary>
    public long At(int matrix, int row, int column) => Offset + (long)matrix * Batch + (long)row * Row + (long)column * Column;
}

/// <summary>C[i] = α·A[i]·B[i] (+ C[i]) for i below <see cref="Count"/>, with A (m, k), B (k, n) and C (m, n). If C's batch stride is 0,
/// the products of all i are added up.</summary>
/// <param name="Count">How many products.</param>
/// <param name="M">Rows of A and C.</param>
/// <param name="K">Columns of A, rows of B.</param>
/// <param name="N">Columns of B and C.</param>
/// <param name="A">Where A lies.</param>
/// <param name="B">Where B lies.</param>
/// <param name="C">Where C lies.</param>
/// <param name="Alpha">The factor.</param>
/// <param name="Accumulate">Add to what C holds.</param>
public readonly record struct BatchedProduct(
    int Count, int M, int K, int N, MatrixStrides A, MatrixStrides B, MatrixStrides C, float Alpha = 1, bool Accumulate = false)
{
    /// <summary>Whether all products go into one C.</summary>
    public bool IsSum => C.Batch == 0 && Count != 1;

    /// <summary>dA = dC·Bᵀ, for the gradient of A.</summary>
    public BatchedProduct GradientOfA(bool accumulate) => new(Count, M, N, K, C, B.Transposed, A, Alpha, accumulate);

    /// <summary>dB = Aᵀ·dC, for the gradient of B.</summary>
    public BatchedProduct GradientOfB(bool accumulate) => new(Count, K, M, N, A.Transposed, C, B, Alpha, accumulate);
}
