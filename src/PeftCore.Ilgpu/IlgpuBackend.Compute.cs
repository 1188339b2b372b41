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
    private readonly StructuredLauncher _structured;
    private readonly RmsNormLauncher _rmsNorm;
    private readonly LayerNormLauncher _layerNorm;
    private readonly RopeLauncher _rope;
    private readonly AttentionLauncher _attention;
    private readonly LossLauncher _loss;
    private readonly OptimizerLauncher _optimizer;

    /// <summary>Matrix products, for tests that hold the tensor cores to the CPU.</summary>
    internal GemmLauncher Gemm => _gemm;

    /// <summary>Casts, for tests of their kernels.</summary>
    internal CastLauncher Casts => _gpu.Casts;

    /// <inheritdoc/>
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula => _elementwise.Map<TFormula>(x, y);

    /// <inheritdoc/>
    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        _elementwise.MapGradient<TFormula>(x, dy, dx, accumulate);

    /// <inheritdoc/>
    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        _elementwise.Gated<TFormula>(gate, up, h);

    /// <inheritdoc/>
    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        where TFormula : struct, IUnaryFormula =>
        _elementwise.GatedGradient<TFormula>(gate, up, dh, dgate, dup);

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) => _elementwise.Add(a, b, y);

    /// <inheritdoc/>
    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) => _elementwise.Multiply(a, b, y, accumulate);

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) => _elementwise.Scale(x, factor, y, accumulate);

    /// <inheritdoc/>
    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) => _elementwise.ScaleBy(x, scalar, y, accumulate);

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => _rows.MultiplyRow(x, row, y, accumulate);

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) => _rows.MultiplySumRows(x, y, row, accumulate);

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) => _rows.MultiplyColumn(x, column, y, accumulate);

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) => _rows.RowDots(x, y, dots, accumulate);

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        _elementwise.Dropout(x, y, probability, seed, stream, accumulate);

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream) =>
        _elementwise.FillUniform(y, low, high, seed, stream);

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream) =>
        _elementwise.FillNormal(y, mean, standardDeviation, seed, stream);

    /// <inheritdoc/>
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false) =>
        _gemm.MatMul(a, transposeA, b, transposeB, c, alpha, accumulate);

    /// <inheritdoc/>
    public void MatMulSum(ReadOnlySpan<GemmOperands> terms, Tensor c, Tensor? bias = null, bool accumulate = false) =>
        _gemm.MatMulSum(terms, c, bias, accumulate);

    /// <inheritdoc/>
    public void MatMulGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases) =>
        _gemm.MatMulGroup(terms, results, alpha, accumulate, biases);

    /// <inheritdoc/>
    public bool TrySkinnyGemm(ReadOnlySpan<SkinnyGemm> products) => _skinnyGemm.TrySkinnyGemm(products);

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row) => _rows.AddRow(y, row);

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate) => _rows.SumRows(x, row, accumulate);

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y) => _embedding.Gather(ids, table, y);

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) => _embedding.ScatterAdd(ids, dy, table);

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) =>
        _rows.CopyColumns(from, fromColumn, to, toColumn, columns, accumulate);

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        _rmsNorm.RmsNorm(x, weight, weightOffset, y, rstd, epsilon);

    /// <inheritdoc/>
    public void RmsNormRecompute(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        _rmsNorm.RmsNormRecompute(x, weight, weightOffset, y, rstd, epsilon);

    /// <inheritdoc/>
    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy, Tensor? dx, bool accumulateDx,
        Tensor? dWeight, bool accumulateDWeight) =>
        _rmsNorm.RmsNormGradient(x, weight, weightOffset, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight);

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        _layerNorm.LayerNorm(x, weight, bias, y, mean, rstd, epsilon);

    /// <inheritdoc/>
    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy, Tensor? dx, bool accumulateDx,
        Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        _layerNorm.LayerNormGradient(x, weight, mean, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight, dBias, accumulateDBias);

    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        _rope.Rope(heads, cos, sin, positions, interleaved, inverse);

    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) =>
        _attention.Attention(call, q, k, v, o, lse);

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias) =>
        _attention.AttentionGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y) => _loss.Softmax(x, y);

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) => _loss.SoftmaxGradient(y, dy, dx, accumulate);

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        _loss.CrossEntropy(logits, labels, ignoreLabel, scale, losses, writeGradient);

    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) => _structured.MatMulBatched(product, a, b, c);

    /// <inheritdoc/>
    public void InvertBlocks(Tensor x, Tensor y) => _structured.InvertBlocks(x, y);

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y) => _structured.TopKSoftmax(x, k, y);

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        _structured.SparseProduct(x, values, offsets, columns, order, y, accumulate);

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        _structured.SparseGradient(dy, x, rows, columns, dValues, accumulate);

    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        _optimizer.AdamW(step, parameter, gradient, gradientScale, firstMoment, secondMoment);

    /// <inheritdoc/>
    public void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale) => _optimizer.AdamW(parameters, gradientScale);

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        _optimizer.Sgd(parameter, gradient, gradientScale, momentumBuffer, learningRate, momentum, weightDecay, nesterov, firstStep);

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => _optimizer.SumOfSquares(x);

    /// <inheritdoc/>
    public double SumOfSquares(ReadOnlySpan<Tensor> tensors) => _optimizer.SumOfSquares(tensors);

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => _optimizer.AllFinite(x);
}
