using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>Exponentials and their sum, the inner loop of a softmax.</summary>
internal static unsafe class Exponentials
{
    /// <summary>y = e^(x − shift), for x − shift of about 0 at most; returns Σ y. y may be x; with a null y only the sum is
    /// computed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(float* x, float shift, float* y, int count)
    {
        int width = Simd.Width, i = 0;
        Vector<float> sum = default, by = new(shift);
        for (; i <= count - width; i += width)
        {
            var e = VectorMath.ExpDown(Vector.Load(x + i) - by);
            sum += e;
            if (y != null)
            {
                e.Store(y + i);
            }
        }

        if (i < count)
        {
            int rest = count - i;
            var e = VectorMath.ExpDown(Simd.LoadPart(x + i, rest) - by);
            sum += Vector.ConditionalSelect(Vector.LessThan(Vector<int>.Indices, new Vector<int>(rest)), e, Vector<float>.Zero);
            if (y != null)
            {
                Simd.StorePart(e, y + i, rest);
            }
        }

        return Vector.Sum(sum);
    }
}
