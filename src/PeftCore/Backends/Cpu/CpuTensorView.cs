using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>A tensor as a kernel of the processor sees it: where its numbers lie and how. It keeps no memory alive, so that work which is
/// recorded may hold it while the memory serves others in between.</summary>
internal readonly unsafe struct CpuTensorView
{
    private readonly byte* _data;

    public CpuTensorView(Tensor tensor) : this((byte*)tensor.Storage.Address + tensor.ByteOffset, tensor.Shape, tensor.DType) { }

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

    public long ByteCount => Shape.Count * DType.Size;

    /// <summary>Where the first element is.</summary>
    public byte* Data => _data;

    public Span<byte> Bytes => new(_data, LengthOf(ByteCount));

    public Span<float> F32 => DType == DType.F32
        ? new(_data, LengthOf(Count))
        : throw new InvalidOperationException($"an F32 tensor was expected, not {this}");

    public Span<int> I32 => DType == DType.I32
        ? new(_data, LengthOf(Count))
        : throw new InvalidOperationException($"an I32 tensor was expected, not {this}");

    public Operand Matrix => new(Bytes, DType.Element, Columns);

    public static CpuTensorView? Of(Tensor? tensor) => tensor is null ? null : new CpuTensorView(tensor);

    /// <summary>Some elements by themselves.</summary>
    public CpuTensorView Part(long first, int count) => new(_data + first * DType.Size, [count], DType);

    public override string ToString() => $"{DType}{Shape} on cpu";

    private int LengthOf(long length) => length <= int.MaxValue
        ? (int)length
        : throw new NotSupportedException(
        $"{this} is too large for one job of the processor, which reaches 2 GiB of bytes or 2,147,483,647 numbers; " +
            "use a smaller batch or shorter sequences");
}

/// <summary>Areas that need not be there.</summary>
internal static class OptionalAreas
{
    extension(CpuTensorView? area)
    {
        public Span<float> F32OrNone => area is { } there ? there.F32 : [];

        public ReadOnlySpan<int> I32OrNone => area is { } there ? there.I32 : [];

        public Operand MatrixOrNone => area is { } there ? there.Matrix : default;
    }
}
