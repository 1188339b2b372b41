using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula => Apply<ValueOf<TFormula>>(x, x, y);

    /// <inheritdoc/>
    public void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula =>
        Apply<SlopeOf<TFormula>>(x, dy, dx, accumulate: accumulate);

    /// <inheritdoc/>
    public void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula =>
        Apply<GateOf<TFormula>>(gate, up, h);

    /// <inheritdoc/>
    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup) where TFormula : struct, IUnaryFormula =>
        _device.ForEach<GatedGradient<TFormula>, GatedGradientArgs>(gate.Count, new GatedGradientArgs
        {
            Gate = F32(gate),
            Up = F32(up),
            DOut = F32(dh),
            DGate = F32(dgate),
            DUp = F32(dup),
        });

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) => Apply<Plus>(a, b, y);

    /// <inheritdoc/>
    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) => Apply<Times>(a, b, y, accumulate: accumulate);

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) => Apply<Scaled>(x, x, y, factor, accumulate);

    /// <inheritdoc/>
    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate) =>
        _device.ForEach<ScaleByDevice, PointwiseArgs>(y.Count, Pointwise(x, scalar, y, 0, accumulate));

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => ByRows<MultiplyRow>(x, row, y, accumulate);

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        SumColumns<ProductTerm>(new ColumnSumArgs { X = F32(x), Y = F32(y), Mean = None<float>(), Rstd = None<float>() }, x, row, accumulate);

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) => ByRows<MultiplyColumn>(x, column, y, accumulate);

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate) =>
        _device.Run<RowDots, RowDotsArgs>(x.Shape.Rows, 1, new RowDotsArgs
        {
            X = F32(x),
            Y = F32(y),
            Dots = F32(dots),
            Columns = x.Shape.Columns,
            Accumulate = Flag(accumulate),
        });

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate) =>
        _device.ForEach<Dropout, DropoutArgs>(x.Count, new DropoutArgs
        {
            X = F32(x),
            Y = F32(y),
            Probability = probability,
            Scale = 1f / (1f - probability),
            Seed = seed,
            Stream = stream,
            Accumulate = Flag(accumulate),
        });

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream) =>
        Fill(y, values => Philox.FillUniform(values, low, high, seed, stream));

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream) =>
        Fill(y, values => Philox.FillNormal(values, mean, standardDeviation, seed, stream));

    // Initial values are drawn by the host: a GPU's logarithm and sine round otherwise, and a seed shall mean the same start everywhere.
    private void Fill(Tensor y, Action<float[]> draw)
    {
        var values = new float[y.Count];
        draw(values);
        Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values), y);
    }

    private void Apply<TOp>(Tensor a, Tensor b, Tensor y, float scalar = 0, bool accumulate = false) where TOp : struct, IPointwise =>
        _device.ForEach<Pointwise<TOp>, PointwiseArgs>(y.Count, Pointwise(a, b, y, scalar, accumulate));

    private PointwiseArgs Pointwise(Tensor a, Tensor b, Tensor y, float scalar, bool accumulate) =>
        new() { A = F32(a), B = F32(b), Y = F32(y), Scalar = scalar, Accumulate = Flag(accumulate) };

    private void ByRows<TKernel>(Tensor x, Tensor factor, Tensor y, bool accumulate) where TKernel : struct, IKernel<RowWiseArgs<float>>
    {
        int columns = x.Shape.Columns, strips = ProductPlan.Count(columns, _device.GroupSize);
        _device.Run<TKernel, RowWiseArgs<float>>(x.Shape.Rows * strips, 1, new RowWiseArgs<float>
        {
            X = F32(x),
            Y = F32(y),
            Factor = F32(factor),
            Columns = columns,
            Strips = strips,
            Accumulate = Flag(accumulate),
        });
    }
}
