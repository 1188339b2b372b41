using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class MetaBackend
{
    // ---- Matrix products ----

    internal override void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false)
    {
        ReadOperands(a, b);
        StageProduct(c);
        int k = transposeA ? a.Shape.Rows : a.Shape.Columns;
        _packed?.Of(c.Shape.Rows, k, a, b, transposeB);
        Flops += 2.0 * c.Count * k;
    }

    /// <summary>Allocates what tensor cores need beside the operands of a product.</summary>
    private void ReadOperands(Tensor a, Tensor b)
    {
        using (PadRows(a))
        using (PadRows(b))
        {
            Round(a);
            Round(b);
        }
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

    private bool ReadsInBf16(Tensor operand) => _tensorCores && ActivationDType == DType.BF16 && operand.DType is DType.F32 or DType.BF16;

    private static bool NeedsPadding(Tensor operand) => operand.Shape.Columns % 8 != 0;

    // Without tensor cores a product is written in F32 and rounded by a second launch.
    private void StageProduct(Tensor c)
    {
        if (!_tensorCores)
        {
            Stage(c);
        }
    }

    /// <summary>Allocates the F32 copies, until all are made, that a device with BF16 activations gives to a kernel that has no BF16
    /// form.</summary>
    private void Stage(params ReadOnlySpan<Tensor> tensors)
    {
        if (ActivationDType != DType.BF16 || tensors.IsEmpty)
        {
            return;
        }
        using (tensors[0].DType == DType.F32 ? null : this.NewTensor(tensors[0].Shape, DType.F32, MemoryKind.Workspace))
        {
            Stage(tensors[1..]);
        }
    }

    /// <summary>Allocates the copies unless vectorized kernels, which read eight BF16 elements at a time, take the tensors.</summary>
    private void StageUnlessVectorized(params ReadOnlySpan<Tensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            if (tensor.DType != DType.BF16 || NeedsPadding(tensor))
            {
                Stage(tensors);
                return;
            }
        }
    }

    internal override void Quantize(Tensor from, Tensor to) { }

    internal override void Dequantize(Tensor from, Tensor to) { }

    // A processor, whose activations are F32, takes all.
    internal override bool TakesQuantized(Tensor b, int rows, bool transposeB) => ActivationDType == DType.F32
        || (_tensorCores && QuantizedProducts.Streams(b, rows, transposeB));

    internal override void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate)
    {
        Flops += 2.0 * x.Shape.Rows * weight.Shape.Count;
        if (ActivationDType == DType.BF16) // A card: the processor's workspace is the host's.
        {
            long bytes = QuantizedProducts.Int8Workspace(x.Shape.Rows, x.Shape.Columns, weight.Format!.Threshold).Bytes;
            Allocate(bytes, MemoryKind.Workspace).Release();
        }
    }

    internal override void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c)
    {
        Stage(a, b, c);
        Flops += 2.0 * product.Count * product.M * product.K * product.N;
    }

    // ---- Rows, columns and tables ----

    internal override void AddRow(Tensor y, Tensor row) { }

    internal override void SumRows(Tensor x, Tensor row, bool accumulate) { }

    internal override void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) { }

    internal override void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) { }

    internal override void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) { }

    internal override void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        Stage(x, y, dots);

    internal override void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) { }

    internal override void Gather(Tensor ids, Tensor table, Tensor y) { }

    internal override void ScatterAdd(Tensor ids, Tensor dy, Tensor table) =>
        Stage(dy, table);

    // ---- Elementwise ----

    internal override void Map<TFormula>(Tensor x, Tensor y) =>
        StageUnlessVectorized(x, x, y);

    internal override void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) =>
        StageUnlessVectorized(x, dy, dx);

    internal override void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) =>
        StageUnlessVectorized(gate, up, h);

    internal override void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup) =>
        StageUnlessVectorized(gate, up, dh, dgate, dup);

    internal override void Add(Tensor a, Tensor b, Tensor y) =>
        StageUnlessVectorized(a, b, y);

    internal override void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) =>
        StageUnlessVectorized(a, b, y);

    internal override void Scale(Tensor x, float factor, Tensor y, bool accumulate) =>
        StageUnlessVectorized(x, x, y);

    internal override void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) =>
        StageUnlessVectorized(x, y);

    // ---- Random numbers ----

    internal override void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        StageUnlessVectorized(x, y);

    internal override void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first = 0) { }

    internal override void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first = 0) { }

    // ---- Norms ----

    internal override void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        StageUnlessVectorized(x, y);

    internal override void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight)
    {
        if (dx is not null)
        {
            StageUnlessVectorized(x, dy, dx);
        }
    }

    internal override void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        StageUnlessVectorized(x, y);

    internal override void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias)
    {
        if (dx is not null)
        {
            StageUnlessVectorized(x, dy, dx);
        }
    }

    // ---- Attention ----

    internal override void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) { }

    internal override void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) => Flops += call.Flops;

    internal override void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks) =>
        Flops += call.GradientFlops;

    internal override void RelativeBias(Tensor table, Tensor buckets, Tensor y) { }

    internal override void RelativeBiasGradient(Tensor dy, Tensor buckets, Tensor dTable, bool accumulate) { }

    internal override void GatherRelative(Tensor x, Tensor index, bool transposed, Tensor y) { }

    internal override void GatherRelativeGradient(Tensor dy, Tensor index, bool transposed, Tensor dx, bool accumulate) { }

    // ---- Softmax and losses ----

    internal override void Softmax(Tensor x, Tensor y) =>
        Stage(x, y);

    internal override void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Stage(y, dy, dx);

    internal override void TopKSoftmax(Tensor x, int k, Tensor y) =>
        Stage(x, y);

    internal override void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) { }

    internal override void Ctc(CtcShape shape, Tensor logits, Tensor labels, Tensor frames, Tensor scratch, Tensor losses,
        Tensor? gradient)
    { }

    // ---- Structured matrices ----

    internal override void InvertBlocks(Tensor x, Tensor y)
    {
        Stage(y);
        Flops += 2.0 * x.Count * x.Shape.Columns;
    }

    internal override void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y,
        bool accumulate)
    {
        Stage(x, values, y);
        Flops += 2.0 * x.Shape.Rows * columns.Count;
    }

    internal override void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate)
    {
        Stage(dy, x, dValues);
        Flops += 2.0 * dy.Shape.Rows * rows.Count;
    }

    // ---- Optimizers ----

    internal override void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment)
    { }

    internal override void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale) { }

    internal override void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale) { }

    internal override void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale) { }

    internal override void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate,
        float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    { }

    internal override double SumOfSquares(Tensor x) => 0;

    internal override bool AllFinite(Tensor x) => true;
}
