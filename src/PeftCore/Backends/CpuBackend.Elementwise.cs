using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula =>
        Elementwise.Map<TFormula>(F32(x), F32(Written(y)), _pool);

    /// <inheritdoc/>
    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        Elementwise.MapGradient<TFormula>(F32(x), F32(dy), F32(Written(dx)), accumulate, _pool);

    /// <inheritdoc/>
    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        Elementwise.Gated<TFormula>(F32(gate), F32(up), F32(Written(h)), _pool);

    /// <inheritdoc/>
    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup) where TFormula : struct, IUnaryFormula =>
        Elementwise.GatedGradient<TFormula>(F32(gate), F32(up), F32(dh), F32(Written(dgate)), F32(Written(dup)), _pool);

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) => Elementwise.Add(F32(a), F32(b), F32(Written(y)), _pool);

    /// <inheritdoc/>
    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) =>
        Elementwise.Multiply(F32(a), F32(b), F32(Written(y)), accumulate, _pool);

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) =>
        Elementwise.Scale(F32(x), factor, F32(Written(y)), accumulate, _pool);

    /// <inheritdoc/>
    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) => Scale(x, F32(scalar)[0], y, accumulate);

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) =>
        Elementwise.MultiplyRow(F32(x), F32(row), F32(Written(y)), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        Elementwise.MultiplySumRows(F32(x), F32(y), F32(Written(row)), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        Elementwise.MultiplyColumn(F32(x), F32(column), F32(Written(y)), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        Elementwise.RowDots(F32(x), F32(y), F32(Written(dots)), x.Shape.Rows, x.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        Philox.Dropout(F32(x), F32(Written(y)), probability, seed, stream, accumulate, _pool);

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream) =>
        Philox.FillUniform(F32(Written(y)), low, high, seed, stream);

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream) =>
        Philox.FillNormal(F32(Written(y)), mean, standardDeviation, seed, stream);
}
