using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Address, shape and dtype of a tensor for a kernel of the processor. A view keeps no memory alive, so that a captured graph can
/// hold it while the arena uses the memory for other tensors between replays.</summary>
internal readonly unsafe struct CpuTensorView
{
    private readonly byte* _data;

    public CpuTensorView(Tensor tensor) : this((byte*)tensor.Storage.Address + tensor.ByteOffset, tensor.Shape, tensor.DType) =>
        Format = tensor.Format;

    private CpuTensorView(byte* data, Shape shape, DType dtype)
    {
        _data = data;
        Shape = shape;
        DType = dtype;
    }

    public Shape Shape { get; }

    public DType DType { get; }

    public int Rows => Shape.Rows;

    public int Columns => Shape.Columns;

    public long Count => Shape.Count;

    /// <summary>The format of a quantised weight; null for other dtypes.</summary>
    public QuantizedFormat? Format { get; }

    public long ByteCount => Format is null ? Shape.Count * DType.Size : Format.PartsOf(Shape).Bytes;

    /// <summary>Address of the first element.</summary>
    public byte* Data => _data;

    /// <summary>Address of the first element of an F32 tensor.</summary>
    public float* F32Data => (float*)Expect(DType.F32)._data;

    public Span<byte> Bytes => new(_data, LengthOf(ByteCount));

    public Span<float> F32 => new(Expect(DType.F32)._data, LengthOf(Count));

    public Span<int> I32 => new(Expect(DType.I32)._data, LengthOf(Count));

    /// <summary>The tensor as a row-major matrix of any floating-point dtype.</summary>
    public Operand Matrix => new(Bytes, DType.Element, Columns);

    /// <summary>The parts of a quantised matrix.</summary>
    public QuantizedMatrix Quantized
    {
        get
        {
            var format = Format ?? throw new InvalidOperationException($"{this} is not quantised");
            var parts = format.PartsOf(Shape);
            byte* scales = _data + parts.Scales;
            return format.DoubleQuantized
                ? new QuantizedMatrix(format.Kind, format.BlockSize, Rows, Columns, _data, null, new QuantizedScales(scales,
                    (float*)(_data + parts.ScaleScales), (float*)(_data + parts.Mean), QuantizedFormat.ScaleBlock))
                : new QuantizedMatrix(format.Kind, format.BlockSize, Rows, Columns, _data, (float*)scales, default);
        }
    }

    /// <summary>A vector of some of the elements.</summary>
    public CpuTensorView this[Part part] => new(_data + part.First * DType.Size, [part.Count], DType);

    /// <summary>A matrix of some of the rows.</summary>
    public CpuTensorView RowsOf(Part part) => new(_data + part.First * Columns * DType.Size, [part.Count, Columns], DType);

    public override string ToString() => $"{DType}{Shape} on cpu";

    private CpuTensorView Expect(DType dtype) => DType == dtype
        ? this
        : throw new InvalidOperationException($"an {dtype} tensor was expected, not {this}");

    private int LengthOf(long length) => length <= int.MaxValue
        ? (int)length
        : throw new NotSupportedException(
            $"{this} is too large for one job of the processor, which reaches 2 GiB of bytes or 2,147,483,647 numbers; " +
            "use a smaller batch or shorter sequences");
}

/// <summary>Spans of optional tensors: empty where there is no tensor.</summary>
internal static class OptionalViews
{
    extension(CpuTensorView? view)
    {
        public Span<float> F32OrEmpty => view is { } present ? present.F32 : [];

        public ReadOnlySpan<int> I32OrEmpty => view is { } present ? present.I32 : [];

        public Operand MatrixOrEmpty => view is { } present ? present.Matrix : default;
    }
}
