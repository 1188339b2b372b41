using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>Elementwise kernels: formulas, gated units, sums, products. Tested against plain loops by ElementwiseTests and
/// FormulaTests.</summary>
internal static unsafe partial class Elementwise
{
    /// <summary>y = f(x). y may be x.</summary>
    public static void Map<TFormula>(ReadOnlySpan<float> x, Span<float> y, WorkerPool pool)
        where TFormula : struct, IUnaryFormula =>
        Map<FormulaValue<TFormula>, Overwrite>(default, x, y, pool);

    /// <summary>dx (+)= dy·f'(x). dx may be x or dy when not accumulating.</summary>
    public static void MapGradient<TFormula>(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx, bool accumulate,
        WorkerPool pool)
        where TFormula : struct, IUnaryFormula =>
        Zip(default(FormulaSlope<TFormula>), x, dy, dx, accumulate, pool);

    /// <summary>h = f(gate)·up. h may be gate or up.</summary>
    public static void Gated<TFormula>(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> h, WorkerPool pool)
        where TFormula : struct, IUnaryFormula =>
        Zip(default(FormulaGate<TFormula>), gate, up, h, false, pool);

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

    /// <summary>y = a + b. y may be a or b.</summary>
    public static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, WorkerPool pool) =>
        Zip(default(Sum), a, b, y, false, pool);

    /// <summary>y (+)= a·b. y may be a or b when not accumulating.</summary>
    public static void Multiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, bool accumulate, WorkerPool pool) =>
        Zip(default(Product), a, b, y, accumulate, pool);

    /// <summary>y (+)= factor·x. y may be x when not accumulating.</summary>
    public static void Scale(ReadOnlySpan<float> x, float factor, Span<float> y, bool accumulate, WorkerPool pool)
    {
        if (accumulate)
        {
            Map<Scaling, Accumulate>(new Scaling(factor), x, y, pool);
        }
        else
        {
            Map<Scaling, Overwrite>(new Scaling(factor), x, y, pool);
        }
    }

    private static void Map<TMap, TStore>(TMap map, ReadOnlySpan<float> x, Span<float> y, WorkerPool pool)
        where TMap : struct, IVectorMap
        where TStore : struct, IStore
    {
        Sizes.AtLeast<float>(y, x.Length);
        fixed (float* px = x, py = y)
        {
            Ranges.For(x.Length, new MapBody<TMap, TStore>(map, px, py), pool);
        }
    }

    private static void Zip<TZip>(TZip zip, ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, bool accumulate, WorkerPool pool)
        where TZip : struct, IVectorZip
    {
        Sizes.AtLeast(b, a.Length);
        Sizes.AtLeast<float>(y, a.Length);
        fixed (float* pa = a, pb = b, py = y)
        {
            if (accumulate)
            {
                Ranges.For(a.Length, new ZipBody<TZip, Accumulate>(zip, pa, pb, py), pool);
            }
            else
            {
                Ranges.For(a.Length, new ZipBody<TZip, Overwrite>(zip, pa, pb, py), pool);
            }
        }
    }

    private readonly struct MapBody<TMap, TStore>(TMap map, float* x, float* y) : IRangeBody
        where TMap : struct, IVectorMap
        where TStore : struct, IStore
    {
        private readonly float* _x = x, _y = y;

        public void Run(int start, int count) => VectorLoops.Map<TMap, TStore>(map, _x + start, _y + start, count);
    }

    private readonly struct ZipBody<TZip, TStore>(TZip zip, float* a, float* b, float* y) : IRangeBody
        where TZip : struct, IVectorZip
        where TStore : struct, IStore
    {
        private readonly float* _a = a, _b = b, _y = y;

        public void Run(int start, int count) =>
            VectorLoops.Zip<TZip, TStore>(zip, _a + start, _b + start, _y + start, count);
    }

    private readonly struct GatedGradientBody<TFormula>(float* gate, float* up, float* dh, float* dgate, float* dup) : IRangeBody
        where TFormula : struct, IUnaryFormula
    {
        private readonly float* _gate = gate, _up = up, _dh = dh, _dgate = dgate, _dup = dup;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
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
