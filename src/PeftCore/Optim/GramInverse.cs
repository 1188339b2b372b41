using PeftCore.Peft.Numerics;

namespace PeftCore.Optim;

/// <summary>The inverse of a Gram matrix in double precision, as <see cref="LoraFa"/> needs it.</summary>
internal static class GramInverse
{
    /// <summary>Added to the diagonal: PEFT's delta.</summary>
    private const double Delta = 1e-8;

    /// <summary>2⁻²³, the distance of the F32 numbers next to 1: torch.linalg.pinv takes eigenvalues below r times as much of the largest
    /// as 0.</summary>
    private const double Resolution = 1.0 / (1 << 23);

    /// <summary>factor·(A·Aᵀ + δI)⁺, the pseudo-inverse as torch.linalg.pinv cuts it off.</summary>
    /// <param name="a">(rank, columns), row by row.</param>
    /// <param name="rank">r.</param>
    /// <param name="factor">A factor of the result.</param>
    /// <returns>(r, r), row by row.</returns>
    public static float[] Of(float[] a, int rank, double factor)
    {
        double[] wide = Array.ConvertAll(a, x => (double)x);
        double[] gram = Dense.MultiplyTransposed(wide, wide, rank, a.Length / rank, rank);
        for (int i = 0; i < rank; i++)
        {
            gram[i * rank + i] += Delta;
        }
        var (values, vectors) = SymmetricEigen.Solve(gram, rank);
        double least = rank * Resolution * values[0];
        double[] scaled = (double[])vectors.Clone(); // Row i is factor/λᵢ times eigenvector i.
        for (int i = 0; i < rank; i++)
        {
            double inverse = values[i] > least ? factor / values[i] : 0;
            for (int j = 0; j < rank; j++)
            {
                scaled[i * rank + j] *= inverse;
            }
        }
        double[] result = Dense.Multiply(Dense.Transpose(vectors, rank, rank), scaled, rank, rank, rank);
        return Array.ConvertAll(result, x => (float)x);
    }
}
