using System.Numerics;

namespace PeftCore.Kernels;

public static unsafe partial class Elementwise
{
    /// <summary>
    /// dgate = dh·up·f'(gate), dup = dh·f(gate). In place: dgate may be gate and dup may be up, or either may be dh.
    /// </summary>
    public static void GatedGradient<TFormula>(
        ReadOnlySpan<float> gate, ReadOnlySpan<float> up, ReadOnlySpan<float> dh, Span<float> dgate, Span<float> dup, WorkerPool pool)
        where TFormula : struct, IUnaryFormula
    {
        Sizes.AtLeast(up, gate.Length);
        Sizes.AtLeast(dh, gate.Length);
        Sizes.AtLeast<float>(dgate, gate.Length);
        Sizes.AtLeast<float>(dup, gate.Length);
        fixed (float* g = gate, u = up, d = dh, dg = dgate, du = dup)
        {
            Ranges.For(gate.Length, new GatedGradientBody<TFormula>(g, u, d, dg, du), pool);
        }
    }

    private readonly struct GatedGradientBody<TFormula>(float* gate, float* up, float* dh, float* dgate, float* dup) : IRangeBody
        where TFormula : struct, IUnaryFormula
    {
        private readonly float* _gate = gate, _up = up, _dh = dh, _dgate = dgate, _dup = dup;

        public void Run(int start, int count)
        {
            int width = Simd.Width, i = start, end = start + count;
            for (; i <= end - width; i += width)
            {
                Vector<float> g = Vector.Load(_gate + i), d = Vector.Load(_dh + i);
                var dg = d * Vector.Load(_up + i) * TFormula.Derivative(g);
                var du = d * TFormula.Forward(g);
                dg.Store(_dgate + i);
                du.Store(_dup + i);
            }

            if (i < end)
            {
                int rest = end - i;
                Vector<float> g = Simd.LoadPart(_gate + i, rest), d = Simd.LoadPart(_dh + i, rest);
                var dg = d * Simd.LoadPart(_up + i, rest) * TFormula.Derivative(g);
                var du = d * TFormula.Forward(g);
                Simd.StorePart(dg, _dgate + i, rest);
                Simd.StorePart(du, _dup + i, rest);
            }
        }
    }
}
