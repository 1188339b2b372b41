using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Runs model code with shapes and no data: the books of its memory and its count of floating-point operations are those a
/// real run would have, before anything is allocated. Numbers read from it are zero.</summary>
public sealed class MetaBackend : IBackend
{
    private readonly Arena _arena = new(new NoMemory());
    private readonly Dictionary<Storage, Storage> _rounded = [];
    private readonly PackedWeights? _packed;

    /// <summary>Opens books like those of another device.</summary>
    /// <param name="activations">How that device stores activations.</param>
    /// <param name="packWeights">Whether it keeps frozen weights packed, as <see cref="CpuBackend"/> does if asked.</param>
    public MetaBackend(DType activations = DType.F32, bool packWeights = false)
    {
        ActivationDType = activations;
        _packed = packWeights ? new PackedWeights(this) : null;
    }

    /// <inheritdoc/>
    public string Name => "meta";

    /// <inheritdoc/>
    public bool IsMeta => true;

    /// <inheritdoc/>
    public DType ActivationDType { get; }

    /// <inheritdoc/>
    public MemoryLedger Memory { get; } = new();

    /// <summary>Floating-point operations of the matrix products and attention asked for so far; a multiply-add counts two.</summary>
    public double Flops { get; private set; }

    /// <summary>Bytes a real arena would have taken from its source.</summary>
    public long ReservedBytes => _arena.ReservedBytes;

    /// <inheritdoc/>
    public Storage Allocate(long bytes, MemoryKind kind) => new(this, _arena.Allocate(bytes), bytes, Arena.Round(bytes), kind);

    /// <inheritdoc/>
    public void Free(Storage storage)
    {
        _packed?.Forget(storage);
        if (_rounded.Remove(storage, out var copy))
        {
            copy.Release();
        }
        _arena.Free(storage.Address);
    }

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

    /// <summary>Tensor cores read BF16: a device with BF16 activations keeps a rounded copy of a parameter that trains in F32.</summary>
    private void Round(Tensor operand)
    {
        if (ReadsInBf16(operand) && !NeedsPadding(operand) && operand.DType == DType.F32 && operand.Storage.Kind is MemoryKind.Trainable
            or MemoryKind.Frozen &&
            !_rounded.ContainsKey(operand.Storage))
        {
            _rounded.Add(operand.Storage, Allocate(operand.Count * DType.BF16.Size, MemoryKind.Workspace));
        }
    }

    // Rows that do not start on 16 bytes are copied into rows that do, for one product.
    private Tensor? PadRows(Tensor operand) => ReadsInBf16(operand) && NeedsPadding(operand)
        ? this.NewTensor([operand.Shape.Rows, (operand.Shape.Columns + 7) / 8 * 8], DType.BF16, MemoryKind.Workspace)
        : null;

    private bool ReadsInBf16(Tensor operand) => ActivationDType == DType.BF16 && operand.DType is DType.F32 or DType.BF16;

    private static bool NeedsPadding(Tensor operand) => operand.Shape.Columns % 8 != 0;

    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) => Flops += call.Flops;

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias) =>
        Flops += call.GradientFlops;

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => 0;

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => true;

    /// <inheritdoc/>
    public void Download(Tensor from, Span<byte> to) => to.Clear();

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> from, Tensor to) { }

    /// <inheritdoc/>
    public void Copy(Tensor from, Tensor to) { }

    /// <inheritdoc/>
    public void Cast(Tensor from, Tensor to) { }

    /// <inheritdoc/>
    public void Zero(Tensor tensor) { }

    /// <inheritdoc/>
    public void Synchronize() { }

    /// <inheritdoc/>
    public void MatMulBatched(in BatchedProduct product, Tensor a, Tensor b, Tensor c) =>
        Flops += 2.0 * product.Count * product.M * product.K * product.N;

    /// <inheritdoc/>
    public void InvertBlocks(Tensor x, Tensor y) => Flops += 2.0 * x.Count * x.Shape.Columns;

    /// <inheritdoc/>
    public void TopKSoftmax(Tensor x, int k, Tensor y) { }

    /// <inheritdoc/>
    public void SparseProduct(Tensor x, Tensor values, Tensor offsets, Tensor columns, Tensor order, Tensor y, bool accumulate) =>
        Flops += 2.0 * x.Shape.Rows * columns.Count;

    /// <inheritdoc/>
    public void SparseGradient(Tensor dy, Tensor x, Tensor rows, Tensor columns, Tensor dValues, bool accumulate) =>
        Flops += 2.0 * dy.Shape.Rows * rows.Count;

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row) { }

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate) { }

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y) { }

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table) { }

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate) { }

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

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) { }

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) { }

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) { }

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) { }

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) { }

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream) { }

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream) { }

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

    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) { }

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y) { }

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) { }

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) { }

    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment)
    { }

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    { }

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private sealed class NoMemory : IChunkSource
    {
        private nint _next = (nint)Arena.Granularity;

        public nint Take(long bytes)
        {
            nint address = _next;
            _next += (nint)bytes;
            return address;
        }

        public void Return(nint address, long bytes) { }
    }
}
