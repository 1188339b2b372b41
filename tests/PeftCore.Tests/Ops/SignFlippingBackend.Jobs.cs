using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

internal sealed partial class SignFlippingBackend
{
    public void Copy(Tensor from, Tensor to) => Run("Copy", () => _inner.Copy(from, to), to.DType == DType.F32 ? Over("to", to) : null);

    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula =>
        Run("Map", () => _inner.Map<TFormula>(x, y), Over("y", y));

    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        Run("MapGradient", () => _inner.MapGradient<TFormula>(x, dy, dx, accumulate), Over("dx", dx, accumulate));

    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        Run("Gated", () => _inner.Gated<TFormula>(gate, up, h), Over("h", h));

    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        where TFormula : struct, IUnaryFormula =>
        Run("GatedGradient", () => _inner.GatedGradient<TFormula>(gate, up, dh, dgate, dup), Over("dgate", dgate), Over("dup", dup));

    public void Add(Tensor a, Tensor b, Tensor y) => Run("Add", () => _inner.Add(a, b, y), Over("y", y));

    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) =>
        Run("Multiply", () => _inner.Multiply(a, b, y, accumulate), Over("y", y, accumulate));

    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) =>
        Run("Scale", () => _inner.Scale(x, factor, y, accumulate), Over("y", y, accumulate));

    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) =>
        Run("ScaleBy", () => _inner.ScaleBy(x, scalar, y, accumulate), Over("y", y, accumulate));

    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) =>
        Run("MultiplyRow", () => _inner.MultiplyRow(x, row, y, accumulate), Over("y", y, accumulate));

    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        Run("MultiplySumRows", () => _inner.MultiplySumRows(x, y, row, accumulate), Over("row", row, accumulate));

    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        Run("MultiplyColumn", () => _inner.MultiplyColumn(x, column, y, accumulate), Over("y", y, accumulate));

    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        Run("RowDots", () => _inner.RowDots(x, y, dots, accumulate), Over("dots", dots, accumulate));

    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        Run("Dropout", () => _inner.Dropout(x, y, probability, seed, stream, accumulate), Over("y", y, accumulate));

    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false) =>
        Run("MatMul", () => _inner.MatMul(a, transposeA, b, transposeB, c, alpha, accumulate), Over("c", c, accumulate));

    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c)
    {
        var copy = product;
        Run("MatMulBatched", () => _inner.MatMulBatched(copy, a, b, c), Over("c", c, product.Accumulate));
    }

    public void InvertBlocks(Tensor x, Tensor y) => Run("InvertBlocks", () => _inner.InvertBlocks(x, y), Over("y", y));

    public void TopKSoftmax(Tensor x, int k, Tensor y) => Run("TopKSoftmax", () => _inner.TopKSoftmax(x, k, y), Over("y", y));

    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        Run("SparseProduct", () => _inner.SparseProduct(x, values, offsets, columns, order, y, accumulate), Over("y", y, accumulate));

    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        Run("SparseGradient", () => _inner.SparseGradient(dy, x, rows, columns, dValues, accumulate), Over("dValues", dValues, accumulate));

    public void AddRow(Tensor y, Tensor row) => Run("AddRow", () => _inner.AddRow(y, row), Over("y", y, added: true));

    public void SumRows(Tensor x, Tensor row, bool accumulate) =>
        Run("SumRows", () => _inner.SumRows(x, row, accumulate), Over("row", row, accumulate));

    public void Gather(Tensor ids, Tensor table, Tensor y) => Run("Gather", () => _inner.Gather(ids, table, y), Over("y", y));

    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Run("ScatterAdd", () => _inner.ScatterAdd(ids, dy, table), Over("table", table, added: true));

    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        Run("CopyColumns", () => _inner.CopyColumns(from, fromColumn, to, toColumn, columns, accumulate),
            OverColumns("to", to, accumulate, toColumn, columns));

    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Run("RmsNorm", () => _inner.RmsNorm(x, weight, weightOffset, y, rstd, epsilon), Over("y", y), Over("rstd", rstd));

    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight) =>
        Run("RmsNormGradient", () => _inner.RmsNormGradient(x, weight, weightOffset, rstd, dy, dx, accumulateDx, dWeight,
            accumulateDWeight),
            OverIf("dx", dx, accumulateDx), OverIf("dWeight", dWeight, accumulateDWeight));

    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        Run("LayerNorm", () => _inner.LayerNorm(x, weight, bias, y, mean, rstd, epsilon), Over("y", y), Over("mean", mean),
            Over("rstd", rstd));

    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Run("LayerNormGradient",
            () => _inner.LayerNormGradient(x, weight, mean, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight, dBias, accumulateDBias),
            OverIf("dx", dx, accumulateDx), OverIf("dWeight", dWeight, accumulateDWeight), OverIf("dBias", dBias, accumulateDBias));

    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        Run("Rope", () => _inner.Rope(heads, cos, sin, positions, interleaved, inverse), OverHeads("heads", heads, added: false));

    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var copy = call;
        Run("Attention", () => _inner.Attention(copy, q, k, v, o, lse), OverHeads("o", o, added: false), Over("lse", lse));
    }

    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
    {
        var copy = call;
        Run("AttentionGradient",
            () => _inner.AttentionGradient(copy, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias),
            OverHeads("dq", dq, accumulateDq), OverHeads("dk", dk, accumulateDk), OverHeads("dv", dv, accumulateDv),
            OverIf("dBias", dBias, added: true));
    }

    public void Softmax(Tensor x, Tensor y) => Run("Softmax", () => _inner.Softmax(x, y), Over("y", y));

    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Run("SoftmaxGradient", () => _inner.SoftmaxGradient(y, dy, dx, accumulate), Over("dx", dx, accumulate));

    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        Run("CrossEntropy", () => _inner.CrossEntropy(logits, labels, ignoreLabel, scale, losses, writeGradient),
            Over("losses", losses), writeGradient ? Over("logits", logits) : null);
}
