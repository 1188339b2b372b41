using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The operands of one matrix product op(A)·op(B).</summary>
/// <param name="A">(m, k), or (k, m) if transposed.</param>
/// <param name="TransposeA">Use Aᵀ.</param>
/// <param name="B">(k, n), or (n, k) if transposed.</param>
/// <param name="TransposeB">Use Bᵀ.</param>
internal readonly record struct GemmOperands(Tensor A, bool TransposeA, Tensor B, bool TransposeB)
{
    /// <summary>k, the length of the sums.</summary>
    internal int Depth => TransposeA ? A.Shape.Rows : A.Shape.Columns;

    /// <summary>Whether another product transposes the same operands.</summary>
    internal bool SameLayout(in GemmOperands other) => TransposeA == other.TransposeA && TransposeB == other.TransposeB;
}

/// <summary>Products of one tall matrix X with skinny ones of r columns: XR = α·X·R and Y (+)= Xᵀ·L; without R, Y (+)= Lᵀ·X.</summary>
/// <param name="X">(m, n)</param>
/// <param name="Right">R (n, r), or null.</param>
/// <param name="RightProduct">XR (m, r), of X's dtype; null without R.</param>
/// <param name="Alpha">α</param>
/// <param name="Left">L (m, r), of X's dtype.</param>
/// <param name="LeftProduct">Y (n, r) in F32; (r, n) without R.</param>
/// <param name="Accumulate">Add to <paramref name="LeftProduct"/>.</param>
internal readonly record struct SkinnyGemm(
    Tensor X, Tensor? Right, Tensor? RightProduct, float Alpha, Tensor Left, Tensor LeftProduct, bool Accumulate);
