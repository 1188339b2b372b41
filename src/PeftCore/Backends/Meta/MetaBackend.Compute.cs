using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class MetaBackend
{
    // ---- Matrix products ----

    /// <inheritdoc/>
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false)
    {
        using (PadRows(a))
        using (PadRows(b))
        {
            Round(a);
            Round(b);
        }
        int k = transposeA ? a.Shape.Rows : a.Shape.Columns;
        _packed?.Of(c.Shape.Rows, k, a, b, transposeB);
        Flops += 2.0 * c.Count * k;
    }

    /// <summary>Allocates the BF16 copy of an F32 parameter that a device with BF16 activations keeps, since its tensor cores read
    /// BF16.</summary>
    private void Round(Tensor operand)
    {
        if (ReadsInBf16(operand) && !NeedsPadding(operand) && operand.DType == DType.F32 && operand.Storage.Kind is MemoryKind.Trainable
            or MemoryKind.Frozen &&
            !_rounded.ContainsKey(operand.Storage))
        {
            _rounded.Add(operand.Storage, Allocate(operand.Count * DType.BF16.Size, MemoryKind.Workspace));
        }
    }

    // Tensor cores read rows that start at multiples of 16 bytes; other operands are copied into padded rows for one product.
    private Tensor? PadRows(Tensor operand) => ReadsInBf16(operand) && NeedsPadding(operand)
        ? this.NewTensor([operand.Shape.Rows, (operand.Shape.Columns + 7) / 8 * 8], DType.BF16, MemoryKind.Workspace)
        : null;

    private bool ReadsInBf16(Tensor operand) => ActivationDType == DType.BF16 && operand.DType is DType.F32 or DType.BF16;

    private static bool NeedsPadding(Tensor operand) => operand.Shape.Columns % 8 != 0;

    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) =>
        Flops += 2.0 * product.Count * product.M * product.K * product.N;

    // ---- Rows, columns and tables ----

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row) { }

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate) { }

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) { }

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) { }

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) { }

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) { }

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) { }

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y) { }

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) { }

    // ---- Elementwise ----

    /// <inheritdoc/>
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula { }

    /// <inheritdoc/>
    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula { }

    /// <inheritdoc/>
    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula { }

    /// <inheritdoc/>
    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup)
        where TFormula : struct, IUnaryFormula
    { }

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) { }

    /// <inheritdoc/>
    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) { }

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) { }

    /// <inheritdoc/>
    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) { }

    // ---- Random numbers ----

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) { }

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream) { }

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream) { }

    // ---- Norms ----

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) { }

    /// <inheritdoc/>
    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight)
    { }

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) { }

    /// <inheritdoc/>
    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias)
    { }

    // ---- Attention ----

    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) { }

    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) => Flops += call.Flops;

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias) =>
        Flops += call.GradientFlops;

    // ---- Softmax and losses ----

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y) { }

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) { }

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y) { }

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) { }

    // ---- Structured matrices ----

    /// <inheritdoc/>
    public void InvertBlocks(Tensor x, Tensor y) => Flops += 2.0 * x.Count * x.Shape.Columns;

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        Flops += 2.0 * x.Shape.Rows * columns.Count;

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        Flops += 2.0 * dy.Shape.Rows * rows.Count;

    // ---- Optimizers ----

    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment)
    { }

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    { }

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => 0;

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => true;
}
