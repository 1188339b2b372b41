namespace PeftCore.Kernels;

/// <summary>
/// Root-mean-square and layer normalization, row by row. Weights and biases may be empty: then there is no affine part.
/// </summary>
internal static unsafe partial class Norms
{
    // The row offset + w in float32, or null when there is no weight.
    private static void LoadWeight(byte* weight, ElementType type, float offset, float* weightF32, int cols)
    {
        Elements.ToFloat(weight, type, weightF32, cols);
        if (offset != 0)
        {
            for (int c = 0; c < cols; c++)
            {
                weightF32[c] += offset;
            }
        }
    }
}
