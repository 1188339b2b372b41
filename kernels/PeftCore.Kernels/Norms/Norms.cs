namespace PeftCore.Kernels;

/// <summary>
/// Root-mean-square and layer normalization, row by row. Weights and biases may be empty: then there is no affine part.
/// </summary>
public static unsafe partial class Norms
{
    // The row offset + w in float32, or null when there is no weight.
    private static void Gain(byte* weight, ElementType type, float offset, float* gain, int cols)
    {
        Elements.ToFloat(weight, type, gain, cols);
        if (offset != 0)
        {
            for (int c = 0; c < cols; c++)
            {
                gain[c] += offset;
            }
        }
    }
}
