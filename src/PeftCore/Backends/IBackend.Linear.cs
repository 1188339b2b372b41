using PeftCore.Tensors;

namespace PeftCore.Backends;

public partial interface IBackend
{
    /// <summary>C (m, n) = α·op(A)·op(B) (+ C), with op(X) = Xᵀ where asked. A is read as (m, k) or, transposed, (k, m); B as (k, n) or (n,
    /// k). A and B may be F32, BF16 or F16; C is F32 or BF16.</summary>
    void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false);

    /// <summary>C (+)= Σ op(Aᵢ)·op(Bᵢ) + bias: a linear layer and its low-rank updates, or the gradients of several maps that meet, in one
    /// sum.</summary>
    /// <param name="terms">The products; each as in <see cref="MatMul"/>.</param>
    /// <param name="c">(m, n)</param>
    /// <param name="bias">(n) added to every row, or null.</param>
    /// <param name="accumulate">Adds to what C holds.</param>
    void MatMulSum(ReadOnlySpan<GemmOperands> terms, Tensor c, Tensor? bias = null, bool accumulate = false)
    {
        foreach (var (a, transposeA, b, transposeB) in terms)
        {
            MatMul(a, transposeA, b, transposeB, c, 1, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            AddRow(c, bias);
        }
    }

    /// <summary>Several sums of products of one height that do not depend on each other: result i (+)= α·Σ op(A)·op(B) + bias i.</summary>
    /// <param name="terms">Equally many for each result, those of the first result first.</param>
    /// <param name="results">(m, n), one height m.</param>
    /// <param name="alpha">α</param>
    /// <param name="accumulate">Adds to what the results hold.</param>
    /// <param name="biases">(n) of each result, or null.</param>
    void MatMulGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        for (int i = 0; i < results.Length; i++)
        {
            bool add = accumulate;
            foreach (var (a, transposeA, b, transposeB) in terms.Slice(i * each, each))
            {
                MatMul(a, transposeA, b, transposeB, results[i], alpha, add);
                add = true;
            }
            if (biases[i] is { } bias)
            {
                AddRow(results[i], bias);
            }
        }
    }

    /// <summary>Products of tall matrices with thin ones from one reading of each matrix, where this backend has a way to do that. False,
    /// with nothing done, where it has none: then they are products like others.</summary>
    /// <param name="products">Each with a matrix of its own and thin ones on both sides, or all from the left of one matrix.</param>
    bool TrySkinnyGemm(ReadOnlySpan<SkinnyGemm> products) => false;

    /// <summary>y[r, c] += row[c]; the row may be F32, BF16 or F16.</summary>
    void AddRow(Tensor y, Tensor row);

    /// <summary>row[c] (+)= Σ_r x[r, c].</summary>
    void SumRows(Tensor x, Tensor row, bool accumulate);

    /// <summary>y[i, :] = table[ids[i], :].</summary>
    void Gather(Tensor ids, Tensor table, Tensor y);

    /// <summary>table[ids[i], :] += dy[i, :], in a fixed order.</summary>
    void ScatterAdd(Tensor ids, Tensor dy, Tensor table);

    /// <summary>Copies matrix columns: to[r, toColumn + c] = from[r, fromColumn + c] for c below <paramref name="columns"/>.</summary>
    void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate);
}

/// <summary>One product of a sum.</summary>
/// <param name="A">(m, k), or (k, m) if transposed.</param>
/// <param name="TransposeA">Use Aᵀ.</param>
/// <param name="B">(k, n), or (n, k) if transposed.</param>
/// <param name="TransposeB">Use Bᵀ.</param>
public readonly record struct GemmOperands(Tensor A, bool TransposeA, Tensor B, bool TransposeB)
{
    /// <summary>k: what is summed over.</summary>
    internal int Depth => TransposeA ? A.Shape.Rows : A.Shape.Columns;

    /// <summary>Whether another product's operands are transposed as these are.</summary>
    internal bool SameLayout(in GemmOperands other) => TransposeA == other.TransposeA && TransposeB == other.TransposeB;
}

/// <summary>A tall matrix X with thin ones: low = α·X·R and, with R, across (+)= Xᵀ·L; without R, across (+)= Lᵀ·X.</summary>
/// <param name="X">(m, n)</param>
/// <param name="Right">R (n, r), or null.</param>
/// <param name="RightProduct">(m, r), of X's dtype; null without R.</param>
/// <param name="Alpha">α</param>
/// <param name="Left">L (m, r), of X's dtype.</param>
/// <param name="LeftProduct">(n, r) in F32; (r, n) without R.</param>
/// <param name="Accumulate">Adds to what <paramref name="LeftProduct"/> holds.</param>
public readonly record struct SkinnyGemm(Tensor X, Tensor? Right, Tensor? RightProduct, float Alpha, Tensor Left, Tensor LeftProduct,
    bool Accumulate);
