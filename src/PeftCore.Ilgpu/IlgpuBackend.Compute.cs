using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private readonly ElementwiseLauncher _elementwise;
    private readonly RowLauncher _rows;
    private readonly EmbeddingLauncher _embedding;
    private readonly GemmLauncher _gemm;
    private readonly SkinnyGemmLauncher _skinnyGemm;
    private readonly QuantizedTables _quantizedTables;
    private readonly QuantizedLauncher _quantized;
    private readonly Int8GemmLauncher _int8;
    private readonly StructuredLauncher _structured;
    private readonly RmsNormLauncher _rmsNorm;
    private readonly LayerNormLauncher _layerNorm;
    private readonly RopeLauncher _rope;
    private readonly AttentionLauncher _attention;
    private readonly RelativePositionLauncher _relativePositions;
    private readonly LossLauncher _loss;
    private readonly OptimizerLauncher _optimizer;

    /// <summary>Matrix products, for tests that compare the tensor cores with the CPU.</summary>
    internal GemmLauncher Gemm => _gemm;

    /// <summary>Casts, for tests of their kernels.</summary>
    internal CastLauncher Casts => _gpu.Casts;

    internal override void Map<TFormula>(Tensor x, Tensor y) => _elementwise.Map<TFormula>(x, y);

    internal override void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) =>
        _elementwise.MapGradient<TFormula>(x, dy, dx, accumulate);

    internal override void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) =>
        _elementwise.Gated<TFormula>(gate, up, h);

    internal override void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        =>
        _elementwise.GatedGradient<TFormula>(gate, up, dh, dgate, dup);

    internal override void Add(Tensor a, Tensor b, Tensor y) => _elementwise.Add(a, b, y);

    internal override void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) => _elementwise.Multiply(a, b, y, accumulate);

    internal override void Scale(Tensor x, float factor, Tensor y, bool accumulate) => _elementwise.Scale(x, factor, y, accumulate);

    internal override void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) => _elementwise.ScaleBy(x, scalar, y, accumulate);

    internal override void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => _rows.MultiplyRow(x, row, y, accumulate);

    internal override void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) => _rows.MultiplySumRows(x, y, row, accumulate);

    internal override void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) =>
        _rows.MultiplyColumn(x, column, y, accumulate);

    internal override void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) => _rows.RowDots(x, y, dots, accumulate);

    internal override void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        _elementwise.Dropout(x, y, probability, seed, stream, accumulate);

    internal override void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first = 0) =>
        _elementwise.FillUniform(y, low, high, seed, stream, first);

    internal override void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first = 0) =>
        _elementwise.FillNormal(y, mean, standardDeviation, seed, stream, first);

    internal override void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1,
        bool accumulate = false) =>
        _gemm.MatMul(a, transposeA, b, transposeB, c, alpha, accumulate);

    internal override void MatMulSum(ReadOnlySpan<GemmOperands> terms, Tensor c, Tensor? bias = null, bool accumulate = false) =>
        _gemm.MatMulSum(terms, c, bias, accumulate);

    internal override void MatMulGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases) =>
        _gemm.MatMulGroup(terms, results, alpha, accumulate, biases);

    internal override bool TrySkinnyGemm(ReadOnlySpan<SkinnyGemm> products) => _skinnyGemm.TrySkinnyGemm(products);

    internal override void AddRow(Tensor y, Tensor row) => _rows.AddRow(y, row);

    internal override void SumRows(Tensor x, Tensor row, bool accumulate) => _rows.SumRows(x, row, accumulate);

    internal override void Gather(Tensor ids, Tensor table, Tensor y) => _embedding.Gather(ids, table, y);

    internal override void ScatterAdd(Tensor ids, Tensor dy, Tensor table) => _embedding.ScatterAdd(ids, dy, table);

    internal override void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        _rows.CopyColumns(from, fromColumn, to, toColumn, columns, accumulate);

    internal override void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        _rmsNorm.RmsNorm(x, weight, weightOffset, y, rstd, epsilon);

    internal override void RmsNormRecompute(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        _rmsNorm.RmsNormRecompute(x, weight, weightOffset, y, rstd, epsilon);

    internal override void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy, Tensor? dx,
        bool accumulateDx,
        Tensor? dWeight, bool accumulateDWeight) =>
        _rmsNorm.RmsNormGradient(x, weight, weightOffset, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight);

    internal override void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        _layerNorm.LayerNorm(x, weight, bias, y, mean, rstd, epsilon);

    internal override void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy, Tensor? dx, bool accumulateDx,
        Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        _layerNorm.LayerNormGradient(x, weight, mean, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight, dBias, accumulateDBias);

    internal override void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        _rope.Rope(heads, cos, sin, positions, interleaved, inverse);

    internal override void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) =>
        _attention.Attention(call, q, k, v, o, lse);

    internal override void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks) =>
        _attention.AttentionGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias, dSinks);

    internal override void RelativeBias(Tensor table, Tensor buckets, Tensor y) =>
        _relativePositions.Bias(table, buckets, y);

    internal override void RelativeBiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate) =>
        _relativePositions.BiasGradient(dy, buckets, dTable, accumulate);

    internal override void GatherRelative(Tensor x, Tensor index, bool transposed, Tensor y) =>
        _relativePositions.Gather(x, index, transposed, y);

    internal override void GatherRelativeGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate) =>
        _relativePositions.GatherGradient(dy, index, transposed, dx, accumulate);

    internal override void Softmax(Tensor x, Tensor y) => _loss.Softmax(x, y);

    internal override void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) => _loss.SoftmaxGradient(y, dy, dx, accumulate);

    internal override void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        _loss.CrossEntropy(logits, labels, ignoreLabel, scale, losses, writeGradient);

    internal override void Ctc(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses,
        Tensor? gradient) =>
        _loss.Ctc(shape, logits, labels, frames, scratch, losses, gradient);

    internal override void Quantize(Tensor from, Tensor to) => _quantized.Quantize(from, to);

    internal override void Dequantize(Tensor from, Tensor to) => _quantized.Dequantize(from, to);

    internal override bool TakesQuantized(Tensor b, int rows, bool transposeB) => _gemm.TakesQuantized(b, rows, transposeB);

    internal override void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate) => _int8.Multiply(x, weight, y, accumulate);

    internal override void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) =>
        _structured.MatMulBatched(product, a, b, c);

    internal override void InvertBlocks(Tensor x, Tensor y) => _structured.InvertBlocks(x, y);

    internal override void TopKSoftmax(Tensor x, int k, Tensor y) => _structured.TopKSoftmax(x, k, y);

    internal override void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y,
        bool accumulate) =>
        _structured.SparseProduct(x, values, offsets, columns, order, y, accumulate);

    internal override void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        _structured.SparseGradient(dy, x, rows, columns, dValues, accumulate);

    internal override void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        _optimizer.AdamW(step, parameter, gradient, gradientScale, firstMoment, secondMoment);

    internal override void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale) => _optimizer.AdamW(parameters, gradientScale);

    internal override void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale) =>
        _optimizer.AdamW8Bit(parameters, gradientScale);

    internal override void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale) => _optimizer.Lion(parameters, gradientScale);

    internal override void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale) =>
        _optimizer.Adafactor(parameters, gradientScale);

    internal override void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate,
        float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        _optimizer.Sgd(parameter, gradient, gradientScale, momentumBuffer, learningRate, momentum, weightDecay, nesterov, firstStep);

    internal override double SumOfSquares(Tensor x) => _optimizer.SumOfSquares(x);

    internal override double SumOfSquares(ReadOnlySpan<Tensor> tensors) => _optimizer.SumOfSquares(tensors);

    internal override bool AllFinite(Tensor x) => _optimizer.AllFinite(x);
}
