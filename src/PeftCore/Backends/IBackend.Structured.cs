using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Products and inverses of structured matrices: many small ones, shared ones, sparse ones.</summary>
public partial interface IBackend
{
    /// <summary>Many products at once, of matrices that lie in their tensors at any strides; all F32. See
    /// <see cref="BatchedProduct"/>.</summary>
    void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c);

    /// <summary>y[n] = x[n]⁻¹ for each (b, b) matrix of (n, b, b), without pivoting: for matrices whose leading minors are not zero, such
    /// as I + a skew-symmetric one, triangular and positive definite ones. y may be x.</summary>
    void InvertBlocks(Tensor x, Tensor y);

    /// <summary>Softmax of the k largest of each row, and zero elsewhere. Among equals the first counts.</summary>
    void TopKSoftmax(Tensor x, int k, Tensor y);

    /// <summary>y[t, r] (+)= Σ_e values[order[e]]·x[t, columns[e]] over the entries e of row r, which are offsets[r] … offsets[r + 1] −
    /// 1.</summary>
    /// <param name="x">(rows, in)</param>
    /// <param name="values">(n) the entries of a sparse (out, in) matrix.</param>
    /// <param name="offsets">I32 (out + 1) where each row's entries begin.</param>
    /// <param name="columns">I32 (n) the column of each entry.</param>
    /// <param name="order">I32 (n) where each entry's value stands.</param>
    /// <param name="y">(rows, out)</param>
    /// <param name="accumulate">Add to y.</param>
    void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate);

    /// <summary>dValues[e] (+)= Σ_t dy[t, rows[e]]·x[t, columns[e]].</summary>
    void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate);
}
