using System.Numerics;
using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>One Lion step of a parameter, see <see cref="LionFactors"/>.</summary>
/// <param name="f">The factors.</param>
/// <param name="p">The values.</param>
/// <param name="g">The gradient.</param>
/// <param name="m">The moment.</param>
internal readonly unsafe struct LionBody(LionFactors f, float* p, float* g, float* m) : IRangeBody
{
    private readonly float* _p = p, _g = g, _m = m;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Run(int start, int count)
    {
        int width = Simd.Width, i = start, end = start + count;
        Vector<float> rate = new(f.Rate), zero = default;
        for (; i <= end - width; i += width)
        {
            Vector<float> m = Vector.Load(_m + i), g = Vector.Load(_g + i) * f.Gradient;
            var update = (m * f.Beta1) + (f.Blend * g);
            var step = Vector.ConditionalSelect(Vector.GreaterThan(update, zero), rate, zero)
                - Vector.ConditionalSelect(Vector.LessThan(update, zero), rate, zero);
            ((Vector.Load(_p + i) * f.Keep) - step).Store(_p + i);
            ((m * f.Beta2) + (f.Mix * g)).Store(_m + i);
        }

        for (; i < end; i++)
        {
            _p[i] = f.Value(_p[i], _m[i], _g[i]);
            _m[i] = f.Moment(_m[i], _g[i]);
        }
    }
}
