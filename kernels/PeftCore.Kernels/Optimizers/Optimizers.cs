using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>One step of an optimizer, in the arithmetic of torch.optim. Tested against its equations by OptimizerTests.</summary>
internal static unsafe partial class Optimizers
{
    /// <summary>Hyperparameters of an AdamW step; Step counts from 1 (Loshchilov and Hutter 2019).</summary>
    internal readonly record struct AdamW(float LearningRate, float Beta1, float Beta2, float Epsilon, float WeightDecay, long Step);

    /// <summary>Hyperparameters of a Lion step (Chen et al. 2023).</summary>
    internal readonly record struct Lion(float LearningRate, float Beta1, float Beta2, float WeightDecay);

    /// <summary>Hyperparameters of an Adafactor step; Step counts from 1 (Shazeer and Stern 2018).</summary>
    internal readonly record struct Adafactor(float LearningRate, float WeightDecay, long Step);

    /// <summary>
    /// With g scaled by gradientScale: p *= 1 − lr·wd; m += (1 − β₁)(g − m); v = β₂v + (1 − β₂)g²;
    /// p −= lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε).
    /// </summary>
    internal static void Step(
        in AdamW h, Span<float> p, ReadOnlySpan<float> g, float gradientScale, Span<float> m, Span<float> v, WorkerPool pool)
    {
        Sizes.AtLeast(g, p.Length);
        Sizes.AtLeast<float>(m, p.Length);
        Sizes.AtLeast<float>(v, p.Length);
        var factors = AdamFactors.Of(h, gradientScale);
        fixed (float* pp = p, pg = g, pm = m, pv = v)
        {
            Ranges.For(p.Length, new AdamBody(factors, pp, pg, pm, pv), pool);
        }
    }

    /// <summary>
    /// With g = g·gradientScale + wd·p: buffer = momentum·buffer + g (g itself on the first step), g = nesterov ? g + momentum·buffer :
    /// buffer, p −= lr·g. An empty buffer means no momentum.
    /// </summary>
    internal static void SgdStep(
        Span<float> p, ReadOnlySpan<float> g, float gradientScale, Span<float> momentumBuffer, float lr, float momentum, float weightDecay,
        bool nesterov, bool firstStep, WorkerPool pool)
    {
        Sizes.AtLeast(g, p.Length);
        Sizes.AtLeast<float>(momentumBuffer, momentumBuffer.IsEmpty ? 0 : p.Length);
        fixed (float* pp = p, pg = g, pb = momentumBuffer)
        {
            Ranges.For(p.Length, new SgdBody(pp, pg, gradientScale, pb, lr, momentum, weightDecay, nesterov, firstStep), pool);
        }
    }

    internal readonly struct AdamBody(AdamFactors factors, float* p, float* g, float* m, float* v) : IRangeBody
    {
        private readonly float* _p = p, _g = g, _m = m, _v = v;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int width = Simd.Width, i = start, end = start + count;
            for (; i <= end - width; i += width)
            {
                Vector<float> p = Vector.Load(_p + i), m = Vector.Load(_m + i), v = Vector.Load(_v + i);
                Update(ref p, Vector.Load(_g + i), ref m, ref v);
                p.Store(_p + i);
                m.Store(_m + i);
                v.Store(_v + i);
            }

            if (i < end)
            {
                int n = end - i;
                Vector<float> p = Simd.LoadPart(_p + i, n), m = Simd.LoadPart(_m + i, n), v = Simd.LoadPart(_v + i, n);
                Update(ref p, Simd.LoadPart(_g + i, n), ref m, ref v);
                Simd.StorePart(p, _p + i, n);
                Simd.StorePart(m, _m + i, n);
                Simd.StorePart(v, _v + i, n);
            }
        }

        private void Update(ref Vector<float> p, Vector<float> gradient, ref Vector<float> m, ref Vector<float> v)
        {
            var g = gradient * factors.Gradient;
            m += (g - m) * factors.Blend;
            v = (v * factors.Beta2) + (g * g * factors.Square);
            var denominator = (Vector.SquareRoot(v) / new Vector<float>(factors.Root)) + new Vector<float>(factors.Epsilon);
            p = (p * factors.Keep) - (factors.Rate * m / denominator);
        }
    }

    private readonly struct SgdBody(
        float* p, float* g, float gradientScale, float* buffer, float lr, float momentum, float weightDecay, bool nesterov, bool firstStep)
        : IRangeBody
    {
        private readonly float* _p = p, _g = g, _buffer = buffer;

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        public void Run(int start, int count)
        {
            int width = Simd.Width, end = start + count;
            for (int i = start; i < end; i += width)
            {
                int n = Math.Min(width, end - i);
                var p = Load(_p + i, n);
                var g = (Load(_g + i, n) * gradientScale) + (p * weightDecay);
                if (_buffer != null)
                {
                    var b = firstStep ? g : (Load(_buffer + i, n) * momentum) + g;
                    Store(b, _buffer + i, n);
                    g = nesterov ? g + (b * momentum) : b;
                }

                Store(p - (g * lr), _p + i, n);
            }
        }

        private static Vector<float> Load(float* x, int n) => n == Simd.Width ? Vector.Load(x) : Simd.LoadPart(x, n);

        private static void Store(Vector<float> v, float* x, int n)
        {
            if (n == Simd.Width)
            {
                v.Store(x);
            }
            else
            {
                Simd.StorePart(v, x, n);
            }
        }
    }
}
