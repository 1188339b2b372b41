using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    private readonly CpuTransfers _transfers;
    private readonly CpuGemm _gemm;
    private readonly CpuQuantized _quantized;
    private readonly CpuRows _rows;
    private readonly CpuElementwise _elementwise;
    private readonly CpuRandom _random;
    private readonly CpuNorms _norms;
    private readonly CpuAttention _attention;
    private readonly CpuRelativePositions _relativePositions;
    private readonly CpuLosses _losses;
    private readonly CpuStructured _structured;
    private readonly CpuOptimizers _optimizers;

    // ---- Transfers ----

    internal override void Upload(ReadOnlySpan<byte> from, Tensor to) => _transfers.Upload(from, to);

    internal override void Download(Tensor from, Span<byte> to) => _transfers.Download(from, to);

    internal override void Copy(Tensor from, Tensor to) => _transfers.Copy(from, to);

    internal override void Cast(Tensor from, Tensor to)
    {
        if (from.Format is not null)
        {
            Dequantize(from, to);
        }
        else if (to.Format is not null)
        {
            Quantize(from, to);
        }
        else
        {
            _transfers.Cast(from, to);
        }
    }

    internal override void Fill(Tensor tensor, float value) => _transfers.Fill(tensor, value);

    internal override void Zero(Tensor tensor) => _transfers.Zero(tensor);

    // ---- Matrix products ----

    internal override void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1,
        bool accumulate = false)
    {
        if (b.Format is null)
        {
            _gemm.MatMul(a, transposeA, b, transposeB, c, alpha, accumulate);
            return;
        }
        if (transposeA)
        {
            throw new NotSupportedException($"matmul: no product of Aᵀ with the quantised {b}");
        }
        _quantized.MatMul(a, b, transposeB, c, alpha, accumulate);
    }

    internal override bool TakesQuantized(Tensor b, int rows, bool transposeB) => true;

    internal override void Quantize(Tensor from, Tensor to) => _quantized.Quantize(from, to);

    internal override void Dequantize(Tensor from, Tensor to) => _quantized.Dequantize(from, to);

    internal override void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate) =>
        _quantized.Int8MatMul(x, weight, y, accumulate);

    internal override void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) => _gemm.MatMulBatched(product, a, b, c);

    // ---- Rows, columns and tables ----

    internal override void AddRow(Tensor y, Tensor row) => _rows.AddRow(y, row);

    internal override void SumRows(Tensor x, Tensor row, bool accumulate) => _rows.SumRows(x, row, accumulate);

    internal override void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => _rows.MultiplyRow(x, row, y, accumulate);

    internal override void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) => _rows.MultiplySumRows(x, y, row, accumulate);

    internal override void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        _rows.MultiplyColumn(x, column, y, accumulate);

    internal override void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) => _rows.RowDots(x, y, dots, accumulate);

    internal override void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        _rows.CopyColumns(from, fromColumn, to, toColumn, columns, accumulate);

    internal override void Gather(Tensor ids, Tensor table, Tensor y) => _rows.Gather(ids, table, y);

    internal override void ScatterAdd(Tensor ids, Tensor dy, Tensor table) => _rows.ScatterAdd(ids, dy, table);

    // ---- Elementwise ----

    internal override void Map<TFormula>(Tensor x, Tensor y) => _elementwise.Map<TFormula>(x, y);

    internal override void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) =>
        _elementwise.MapGradient<TFormula>(x, dy, dx, accumulate);

    internal override void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) =>
        _elementwise.Gated<TFormula>(gate, up, h);

    internal override void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        => _elementwise.GatedGradient<TFormula>(gate, up, dh, dgate, dup);

    internal override void Add(Tensor a, Tensor b, Tensor y) => _elementwise.Add(a, b, y);

    internal override void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) => _elementwise.Multiply(a, b, y, accumulate);

    internal override void Scale(Tensor x, float factor, Tensor y, bool accumulate) => _elementwise.Scale(x, factor, y, accumulate);

    internal override void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) => _elementwise.ScaleBy(x, scalar, y, accumulate);

    // ---- Random numbers ----

    internal override void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        _random.Dropout(x, y, probability, seed, stream, accumulate);

    internal override void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first = 0) =>
        _random.FillUniform(y, low, high, seed, stream, first);

    internal override void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first = 0) =>
        _random.FillNormal(y, mean, standardDeviation, seed, stream, first);

    // ---- Norms ----

    internal override void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        _norms.RmsNorm(x, weight, weightOffset, y, rstd, epsilon);

    internal override void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight) =>
        _norms.RmsNormGradient(x, weight, weightOffset, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight);

    internal override void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        _norms.LayerNorm(x, weight, bias, y, mean, rstd, epsilon);

    internal override void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        _norms.LayerNormGradient(x, weight, mean, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight, dBias, accumulateDBias);

    // ---- Attention ----

    internal override void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        _attention.Rope(heads, cos, sin, positions, interleaved, inverse);

    internal override void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) =>
        _attention.Forward(call, q, k, v, o, lse);

    internal override void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks) =>
        _attention.Gradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias, dSinks);

    internal override void RelativeBias(Tensor table, Tensor buckets, Tensor y) =>
        _relativePositions.Bias(table, buckets, y);

    internal override void RelativeBiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate) =>
        _relativePositions.BiasGradient(dy, buckets, dTable, accumulate);

    internal override void GatherRelative(Tensor x, Tensor index, bool transposed, Tensor y) =>
        _relativePositions.Gather(x, index, transposed, y);

    internal override void GatherRelativeGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate) =>
        _relativePositions.GatherGradient(dy, index, transposed, dx, accumulate);

    // ---- Softmax and losses ----

    internal override void Softmax(Tensor x, Tensor y) => _losses.Softmax(x, y);

    internal override void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        _losses.SoftmaxGradient(y, dy, dx, accumulate);

    internal override void TopKSoftmax(Tensor x, int k, Tensor y) => _losses.TopKSoftmax(x, k, y);

    internal override void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        _losses.CrossEntropyLoss(logits, labels, ignoreLabel, scale, losses, writeGradient);

    internal override void Ctc(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses,
        Tensor? gradient) =>
        _losses.CtcLoss(shape, logits, labels, frames, scratch, losses, gradient);

    // ---- Structured matrices ----

    internal override void InvertBlocks(Tensor x, Tensor y) => _structured.InvertBlocks(x, y);

    internal override void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y,
        bool accumulate) =>
        _structured.SparseProduct(x, values, offsets, columns, order, y, accumulate);

    internal override void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        _structured.SparseGradient(dy, x, rows, columns, dValues, accumulate);

    // ---- Optimizers ----

    internal override void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) => _optimizers.AdamW(step, parameter, gradient, gradientScale, firstMoment, secondMoment);

    internal override void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale) =>
        _optimizers.AdamW(parameters, gradientScale);

    internal override void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale) =>
        _optimizers.AdamW8Bit(parameters, gradientScale);

    internal override void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale) => _optimizers.Lion(parameters, gradientScale);

    internal override void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale) =>
        _optimizers.Adafactor(parameters, gradientScale);

    internal override void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate,
        float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        _optimizers.Sgd(parameter, gradient, gradientScale, momentumBuffer, learningRate, momentum, weightDecay, nesterov, firstStep);

    internal override double SumOfSquares(Tensor x) => _optimizers.SumOfSquares(x);

    internal override bool AllFinite(Tensor x) => _optimizers.AllFinite(x);
}
