using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
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
    public void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup) where TFormula : struct, IUnaryFormula
    {
        if (CanVectorize(gate, up, dh, dgate, dup))
        {
            Moves(gate, up, dh, dgate, dup);
            _device.ForEach<GatedGradientBf16x8<TFormula>, GatedGradientBf16x8Args>(gate.Count / 8, new GatedGradientBf16x8Args
            {
                Gate = Bf16x8View(gate),
                Up = Bf16x8View(up),
                DOut = Bf16x8View(dh),
                DGate = Bf16x8View(dgate),
                DUp = Bf16x8View(dup),
            });
            return;
        }
        using Float32Staging g = StageIn(gate), u = StageIn(up), d = StageIn(dh), dg = StageOut(dgate, false), du = StageOut(dup, false);
        _device.ForEach<GatedGradient<TFormula>, GatedGradientArgs>(gate.Count, new GatedGradientArgs
        {
            Gate = g.View,
            Up = u.View,
            DOut = d.View,
            DGate = dg.View,
            DUp = du.View,
        });
    }

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) => Apply<Plus>(a, b, y);

    /// <inheritdoc/>
    public void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate) => Apply<Times>(a, b, y, accumulate: accumulate);

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y, bool accumulate) => Apply<Scaled>(x, x, y, factor, accumulate);

    /// <inheritdoc/>
    public void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate)
    {
        if (CanVectorize(x, y))
        {
            _device.ForEach<ScaleByDeviceBf16x8, PointwiseBf16x8Args>(y.Count / 8,
                PointwiseBf16x8(x, x, y, 0, accumulate) with { Device = F32(scalar) });
            return;
        }
        using Float32Staging from = StageIn(x), to = StageOut(y, accumulate);
        _device.ForEach<ScaleByDevice, PointwiseArgs>(y.Count, Pointwise(from, F32(scalar), to, 0, accumulate));
    }

    /// <inheritdoc/>
    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => ByRows<MultiplyRow>(x, row, y, accumulate);

    /// <inheritdoc/>
    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate)
    {
        using Float32Staging a = StageIn(x), b = StageIn(y);
        SumColumns<ProductTerm>(new ColumnSumArgs { X = a.View, Y = b.View, Mean = None<float>(), Rstd = None<float>() }, x, row,
            accumulate);
    }

    /// <inheritdoc/>
    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) => ByRows<MultiplyColumn>(x, column, y, accumulate);

    /// <inheritdoc/>
    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate)
    {
        using Float32Staging a = StageIn(x), b = StageIn(y), to = StageOut(dots, accumulate);
        _device.Run<RowDots, RowDotsArgs>(x.Shape.Rows, 1, new RowDotsArgs
        {
            X = a.View,
            Y = b.View,
            Dots = to.View,
            Columns = x.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }

    /// <inheritdoc/>
    public void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate)
    {
        _recording?.Forbid(); // Another pass draws another mask.
        using Float32Staging from = StageIn(x), to = StageOut(y, accumulate);
        _device.ForEach<Dropout, DropoutArgs>(x.Count, new DropoutArgs
        {
            X = from.View,
            Y = to.View,
            Probability = probability,
            Scale = 1f / (1f - probability),
            Seed = seed,
            Stream = stream,
            Accumulate = Flag(accumulate),
        });
    }

    /// <inheritdoc/>
    public void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream) =>
        Fill(y, (values, first) => Philox.FillUniform(values, low, high, seed, stream, first));

    /// <inheritdoc/>
    public void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream) =>
        Fill(y, (values, first) => Philox.FillNormal(values, mean, standardDeviation, seed, stream, first));

    // Initial values are drawn by the host: a GPU's logarithm and sine round otherwise, and a seed shall mean the same start everywhere.
    private void Fill(Tensor y, DrawFrom draw)
    {
        const int Piece = 1 << 16;
        float[] values = new float[y.Count];
        Parallel.For(0, (values.Length + Piece - 1) / Piece, piece =>
        {
            int first = piece * Piece;
            draw(values.AsSpan(first, Math.Min(Piece, values.Length - first)), (ulong)first);
        });
        Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values), y);
    }

    private delegate void DrawFrom(Span<float> values, ulong first);

    private void Apply<TOp>(Tensor a, Tensor b, Tensor y, float scalar = 0, bool accumulate = false) where TOp : struct, IPointwise
    {
        if (CanVectorize(a, b, y))
        {
            Moves(ReferenceEquals(a, b) ? [a, y] : [a, b, y]);
            _device.ForEach<PointwiseBf16x8<TOp>, PointwiseBf16x8Args>(y.Count / 8, PointwiseBf16x8(a, b, y, scalar, accumulate));
            return;
        }
        using Float32Staging left = StageIn(a), right = StageIn(b), to = StageOut(y, accumulate);
        _device.ForEach<Pointwise<TOp>, PointwiseArgs>(y.Count, Pointwise(left, right.View, to, scalar, accumulate));
    }

    private static PointwiseArgs Pointwise(in Float32Staging a, ILGPU.ArrayView<float> b, in Float32Staging y, float scalar,
        bool accumulate) =>
        new() { A = a.View, B = b, Y = y.View, Scalar = scalar, Accumulate = Flag(accumulate) };

    private PointwiseBf16x8Args PointwiseBf16x8(Tensor a, Tensor b, Tensor y, float scalar, bool accumulate) =>
        new()
        {
            A = Bf16x8View(a), B = Bf16x8View(b), Y = Bf16x8View(y), Device = None<float>(), Scalar = scalar,
            Accumulate = Flag(accumulate)
        };

    private void ByRows<TKernel>(Tensor x, Tensor factor, Tensor y, bool accumulate) where TKernel : struct, IKernel<RowWiseArgs<float>>
    {
        int columns = x.Shape.Columns, strips = SplitKSchedule.Count(columns, _device.BlockSize);
        using Float32Staging from = StageIn(x), by = StageIn(factor), to = StageOut(y, accumulate);
        _device.Run<TKernel, RowWiseArgs<float>>(x.Shape.Rows * strips, 1, new RowWiseArgs<float>
        {
            X = from.View,
            Y = to.View,
            Factor = by.View,
            Columns = columns,
            Strips = strips,
            Accumulate = Flag(accumulate),
        });
    }
}
