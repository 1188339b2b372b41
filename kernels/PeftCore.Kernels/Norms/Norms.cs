using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Root-mean-square and layer normalization of rows. An empty weight counts as ones, an empty bias as zeros. Tested against the
/// formulas and their float64 differences by NormTests.</summary>
internal static unsafe partial class Norms
{
    // weightF32 = offset + w.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
