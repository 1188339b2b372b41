using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Elementwise ops: formulas, gated units, sums and products.</summary>
internal sealed class CpuElementwise(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of(typeof(TFormula).Name, x, y), (x: In(x), y: Out(y)),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.x))
                {
                    Elementwise.Map<TFormula>(c.x[part].F32, c.y[part].F32, s.Pool);
                }
            });

    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of(GradientOf<TFormula>.Name, x, dy, dx), (x: In(x), dy: In(dy), dx: Out(dx), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.x))
                {
                    Elementwise.MapGradient<TFormula>(c.x[part].F32, c.dy[part].F32, c.dx[part].F32, c.accumulate, s.Pool);
                }
            });

    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of("gate", gate, up, h), (gate: In(gate), up: In(up), h: Out(h)),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.gate))
                {
                    Elementwise.Gated<TFormula>(c.gate[part].F32, c.up[part].F32, c.h[part].F32, s.Pool);
                }
            });

    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of("gradient of gate", gate, up, dh, dgate, dup),
            (gate: In(gate), up: In(up), dh: In(dh), dgate: Out(dgate), dup: Out(dup)),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.gate))
                {
                    Elementwise.GatedGradient<TFormula>(c.gate[part].F32, c.up[part].F32, c.dh[part].F32, c.dgate[part].F32,
                        c.dup[part].F32, s.Pool);
                }
            });

    public void Add(Tensor a, Tensor b, Tensor y) =>
        Launch(LaunchCost.Of("add", a, b, y), (a: In(a), b: In(b), y: Out(y)),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.a))
                {
                    Elementwise.Add(c.a[part].F32, c.b[part].F32, c.y[part].F32, s.Pool);
                }
            });

    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("multiply", a, b, y), (a: In(a), b: In(b), y: Out(y), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.a))
                {
                    Elementwise.Multiply(c.a[part].F32, c.b[part].F32, c.y[part].F32, c.accumulate, s.Pool);
                }
            });

    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("scale", x, y), (x: In(x), factor, y: Out(y), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.x))
                {
                    Elementwise.Scale(c.x[part].F32, c.factor, c.y[part].F32, c.accumulate, s.Pool);
                }
            });

    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("scale", x, y), (x: In(x), scalar: In(scalar), y: Out(y), accumulate),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.x))
                {
                    Elementwise.Scale(c.x[part].F32, c.scalar.F32[0], c.y[part].F32, c.accumulate, s.Pool);
                }
            });

    private static class GradientOf<TFormula>
    {
        public static readonly string Name = $"gradient of {typeof(TFormula).Name}";
    }
}
