using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

internal sealed partial class SignFlippingBackend
{
    internal override void Copy(Tensor from, Tensor to) =>
        Run("Copy", () => _inner.Copy(from, to), to.DType == DType.F32 ? Over("to", to) : null);

    internal override void Map<TFormula>(Tensor x, Tensor y) =>
        Run("Map", () => _inner.Map<TFormula>(x, y), Over("y", y));

    internal override void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) =>
        Run("MapGradient", () => _inner.MapGradient<TFormula>(x, dy, dx, accumulate), Over("dx", dx, accumulate));

    internal override void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) =>
        Run("Gated", () => _inner.Gated<TFormula>(gate, up, h), Over("h", h));

    internal override void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        =>
        Run("GatedGradient", () => _inner.GatedGradient<TFormula>(gate, up, dh, dgate, dup), Over("dgate", dgate), Over("dup", dup));

    internal override void Add(Tensor a, Tensor b, Tensor y) => Run("Add", () => _inner.Add(a, b, y), Over("y", y));

    internal override void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) =>
        Run("Multiply", () => _inner.Multiply(a, b, y, accumulate), Over("y", y, accumulate));

    internal override void Scale(Tensor x, float factor, Tensor y, bool accumulate) =>
        Run("Scale", () => _inner.Scale(x, factor, y, accumulate), Over("y", y, accumulate));

    internal override void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) =>
        Run("ScaleBy", () => _inner.ScaleBy(x, scalar, y, accumulate), Over("y", y, accumulate));

    internal override void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) =>
        Run("MultiplyRow", () => _inner.MultiplyRow(x, row, y, accumulate), Over("y", y, accumulate));

    internal override void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        Run("MultiplySumRows", () => _inner.MultiplySumRows(x, y, row, accumulate), Over("row", row, accumulate));

    internal override void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        Run("MultiplyColumn", () => _inner.MultiplyColumn(x, column, y, accumulate), Over("y", y, accumulate));

    internal override void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        Run("RowDots", () => _inner.RowDots(x, y, dots, accumulate), Over("dots", dots, accumulate));

    internal override void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        Run("Dropout", () => _inner.Dropout(x, y, probability, seed, stream, accumulate), Over("y", y, accumulate));

    internal override void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1,
        bool accumulate = false) =>
        Run("MatMul", () => _inner.MatMul(a, transposeA, b, transposeB, c, alpha, accumulate), Over("c", c, accumulate));

    internal override void Quantize(Tensor from, Tensor to) => _inner.Quantize(from, to);

    internal override void Dequantize(Tensor from, Tensor to) => Run("Dequantize", () => _inner.Dequantize(from, to), Over("to", to));

    internal override void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate) =>
        Run("Int8MatMul", () => _inner.Int8MatMul(x, weight, y, accumulate), Over("y", y, accumulate));

    internal override void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c)
    {
        var copy = product;
        Run("MatMulBatched", () => _inner.MatMulBatched(copy, a, b, c), Over("c", c, product.Accumulate));
    }

    internal override void InvertBlocks(Tensor x, Tensor y) => Run("InvertBlocks", () => _inner.InvertBlocks(x, y), Over("y", y));

    internal override void TopKSoftmax(Tensor x, int k, Tensor y) => Run("TopKSoftmax", () => _inner.TopKSoftmax(x, k, y), Over("y", y));

    internal override void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y,
        bool accumulate) =>
        Run("SparseProduct", () => _inner.SparseProduct(x, values, offsets, columns, order, y, accumulate), Over("y", y, accumulate));

    internal override void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        Run("SparseGradient", () => _inner.SparseGradient(dy, x, rows, columns, dValues, accumulate), Over("dValues", dValues, accumulate));

    internal override void AddRow(Tensor y, Tensor row) => Run("AddRow", () => _inner.AddRow(y, row), Over("y", y, added: true));

    internal override void SumRows(Tensor x, Tensor row, bool accumulate) =>
        Run("SumRows", () => _inner.SumRows(x, row, accumulate), Over("row", row, accumulate));

    internal override void Gather(Tensor ids, Tensor table, Tensor y) => Run("Gather", () => _inner.Gather(ids, table, y), Over("y", y));

    internal override void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Run("ScatterAdd", () => _inner.ScatterAdd(ids, dy, table), Over("table", table, added: true));

    internal override void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        Run("CopyColumns", () => _inner.CopyColumns(from, fromColumn, to, toColumn, columns, accumulate),
            OverColumns("to", to, accumulate, toColumn, columns));

    internal override void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Run("RmsNorm", () => _inner.RmsNorm(x, weight, weightOffset, y, rstd, epsilon), Over("y", y), Over("rstd", rstd));

    internal override void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight) =>
        Run("RmsNormGradient", () => _inner.RmsNormGradient(x, weight, weightOffset, rstd, dy, dx, accumulateDx, dWeight,
            accumulateDWeight),
            OverIf("dx", dx, accumulateDx), OverIf("dWeight", dWeight, accumulateDWeight));

    internal override void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        Run("LayerNorm", () => _inner.LayerNorm(x, weight, bias, y, mean, rstd, epsilon), Over("y", y), Over("mean", mean),
            Over("rstd", rstd));

    internal override void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Run("LayerNormGradient",
            () => _inner.LayerNormGradient(x, weight, mean, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight, dBias, accumulateDBias),
            OverIf("dx", dx, accumulateDx), OverIf("dWeight", dWeight, accumulateDWeight), OverIf("dBias", dBias, accumulateDBias));

    internal override void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        Run("Rope", () => _inner.Rope(heads, cos, sin, positions, interleaved, inverse), OverHeads("heads", heads, added: false));

    internal override void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var copy = call;
        Run("Attention", () => _inner.Attention(copy, q, k, v, o, lse), OverHeads("o", o, added: false), Over("lse", lse));
    }

    internal override void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks)
    {
        var copy = call;
        Run("AttentionGradient",
            () => _inner.AttentionGradient(copy, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias,
                dSinks),
            OverHeads("dq", dq, accumulateDq), OverHeads("dk", dk, accumulateDk), OverHeads("dv", dv, accumulateDv),
            OverIf("dBias", dBias, added: true), OverIf("dSinks", dSinks, added: true));
    }

    internal override void RelativeBias(Tensor table, Tensor buckets, Tensor y) =>
        Run("RelativeBias", () => _inner.RelativeBias(table, buckets, y), Over("y", y));

    internal override void RelativeBiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate) =>
        Run("RelativeBiasGradient", () => _inner.RelativeBiasGradient(dy, buckets, dTable, accumulate), Over("dTable", dTable, accumulate));

    internal override void GatherRelative(Tensor x, Tensor index, bool transposed, Tensor y) =>
        Run("GatherRelative", () => _inner.GatherRelative(x, index, transposed, y), Over("y", y));

    internal override void GatherRelativeGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate) =>
        Run("GatherRelativeGradient", () => _inner.GatherRelativeGradient(dy, index, transposed, dx, accumulate), Over("dx", dx, accumulate));

    internal override void Softmax(Tensor x, Tensor y) => Run("Softmax", () => _inner.Softmax(x, y), Over("y", y));

    internal override void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Run("SoftmaxGradient", () => _inner.SoftmaxGradient(y, dy, dx, accumulate), Over("dx", dx, accumulate));

    internal override void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        Run("CrossEntropy", () => _inner.CrossEntropy(logits, labels, ignoreLabel, scale, losses, writeGradient),
            Over("losses", losses), writeGradient ? Over("logits", logits) : null);

    internal override void Ctc(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses,
        Tensor? gradient) =>
        Run("Ctc", () => _inner.Ctc(shape, logits, labels, frames, scratch, losses, gradient), Over("losses", losses),
            OverIf("gradient", gradient, added: false));
}
