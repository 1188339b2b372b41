using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>The row loop of both norms' backward passes: dx (+)= rstd·dy·weight + a·x + b, with the weight in float32 or null.</summary>
internal static unsafe class NormGradient
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Row(float* x, float a, float b, float* weightF32, float rstd, float* dy, float* dx, bool accumulate, int cols)
    {
        int width = Simd.Width;
        for (int c = 0; c < cols; c += width)
        {
            int count = Math.Min(width, cols - c);
            if (count == width)
            {
                var g = weightF32 == null ? Vector.Load(dy + c) : Vector.Load(dy + c) * Vector.Load(weightF32 + c);
                var d = Value(Vector.Load(x + c), a, b, g, rstd);
                (accumulate ? Vector.Load(dx + c) + d : d).Store(dx + c);
            }
            else
            {
                var g = Simd.LoadPart(dy + c, count);
                g = weightF32 == null ? g : g * Simd.LoadPart(weightF32 + c, count);
                var d = Value(Simd.LoadPart(x + c, count), a, b, g, rstd);
                Simd.StorePart(accumulate ? Simd.LoadPart(dx + c, count) + d : d, dx + c, count);
            }
        }
    }

    private static Vector<float> Value(Vector<float> x, float a, float b, Vector<float> g, float rstd) =>
        VectorMath.MultiplyAdd(x, new Vector<float>(a), VectorMath.MultiplyAdd(g, new Vector<float>(rstd), new Vector<float>(b)));
}
