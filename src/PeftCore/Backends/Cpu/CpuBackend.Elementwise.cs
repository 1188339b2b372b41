using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of(typeof(TFormula).Name, x, y), (x: At(x), y: Written(y)),
            static (c, cpu) => Elementwise.Map<TFormula>(c.x.F32, c.y.F32, cpu._pool));

    /// <inheritdoc/>
    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of(GradientOf<TFormula>.Name, x, dy, dx), (x: At(x), dy: At(dy), dx: Written(dx), accumulate),
            static (c, cpu) => Elementwise.MapGradient<TFormula>(c.x.F32, c.dy.F32, c.dx.F32, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of("gate", gate, up, h), (gate: At(gate), up: At(up), h: Written(h)),
            static (c, cpu) => Elementwise.Gated<TFormula>(c.gate.F32, c.up.F32, c.h.F32, cpu._pool));

    /// <inheritdoc/>
    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        where TFormula : struct, IUnaryFormula =>
        Launch(LaunchCost.Of("gradient of gate", gate, up, dh, dgate, dup),
            (gate: At(gate), up: At(up), dh: At(dh), dgate: Written(dgate), dup: Written(dup)),
            static (c, cpu) => Elementwise.GatedGradient<TFormula>(c.gate.F32, c.up.F32, c.dh.F32, c.dgate.F32, c.dup.F32, cpu._pool));

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) =>
        Launch(LaunchCost.Of("add", a, b, y), (a: At(a), b: At(b), y: Written(y)),
            static (c, cpu) => Elementwise.Add(c.a.F32, c.b.F32, c.y.F32, cpu._pool));

    /// <inheritdoc/>
    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("multiply", a, b, y), (a: At(a), b: At(b), y: Written(y), accumulate),
            static (c, cpu) => Elementwise.Multiply(c.a.F32, c.b.F32, c.y.F32, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("scale", x, y), (x: At(x), factor, y: Written(y), accumulate),
            static (c, cpu) => Elementwise.Scale(c.x.F32, c.factor, c.y.F32, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("scale", x, y), (x: At(x), scalar: At(scalar), y: Written(y), accumulate),
            static (c, cpu) => Elementwise.Scale(c.x.F32, c.scalar.F32[0], c.y.F32, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("multiply row", x, y), (x: At(x), row: At(row), y: Written(y), accumulate),
            static (c, cpu) => Elementwise.MultiplyRow(c.x.F32, c.row.F32, c.y.F32, c.x.Rows, c.x.Columns, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        Launch(LaunchCost.Of("multiply and sum rows", x, y), (x: At(x), y: At(y), row: Written(row), accumulate),
            static (c, cpu) => Elementwise.MultiplySumRows(c.x.F32, c.y.F32, c.row.F32, c.x.Rows, c.x.Columns, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        Launch(LaunchCost.Of("multiply column", x, y), (x: At(x), column: At(column), y: Written(y), accumulate),
            static (c, cpu) => Elementwise.MultiplyColumn(c.x.F32, c.column.F32, c.y.F32, c.x.Rows, c.x.Columns, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        Launch(LaunchCost.Of("row dots", x, y), (x: At(x), y: At(y), dots: Written(dots), accumulate),
            static (c, cpu) => Elementwise.RowDots(c.x.F32, c.y.F32, c.dots.F32, c.x.Rows, c.x.Columns, c.accumulate, cpu._pool));

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        Launch(LaunchCost.Of("dropout", x, y), (x: At(x), y: Written(y), probability, seed, stream, accumulate),
            static (c, cpu) => Philox.Dropout(c.x.F32, c.y.F32, c.probability, c.seed, c.stream + cpu._passesLater, c.accumulate,
                cpu._pool));

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream)
    {
        BreakCapture(); // What another pass would draw here is not known.
        Philox.FillUniform(Written(y).F32, low, high, seed, stream);
    }

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream)
    {
        BreakCapture();
        Philox.FillNormal(Written(y).F32, mean, standardDeviation, seed, stream);
    }

    private static class GradientOf<TFormula>
    {
        public static readonly string Name = $"gradient of {typeof(TFormula).Name}";
    }
}
