using System.Runtime.InteropServices;

namespace PeftCore.Io;

/// <summary>One tensor of a model's weights: its file and its header entry. Its bytes can be read until the <see cref="WeightSource"/> is
/// disposed.</summary>
public sealed class WeightEntry
{
    private const int Piece = 16 << 20;

    private readonly SafetensorsEntry _entry;

    internal WeightEntry(TensorFile file, SafetensorsEntry entry, bool isListed = true) =>
        (File, _entry, IsListed) = (file, entry, isListed);

    /// <summary>The file that holds the tensor.</summary>
    internal TensorFile File { get; }

    /// <summary>The tensor's name.</summary>
    public string Name => _entry.Name;

    /// <summary>The element type as the file spells it, such as "BF16".</summary>
    public string DType => _entry.DType;

    /// <summary>The element type of <see cref="Bytes"/>: <see cref="DType"/>, or F32 for weights that the file stores in blocks.</summary>
    internal string ElementType => File.ElementTypeOf(DType);

    /// <summary>The dtype of a parameter that is read from the tensor, unless another one is asked for.</summary>
    internal string DefaultType => File.DefaultTypeOf(DType);

    /// <summary>The sizes of its axes.</summary>
    public long[] Shape => _entry.Shape;

    /// <summary>Bytes of its elements in <see cref="ElementType"/>.</summary>
    internal long Length => _entry.Length;

    /// <summary>Whether the index of a sharded model names it; true without an index.</summary>
    internal bool IsListed { get; }

    /// <summary>A copy of all its bytes, which outlives the file.</summary>
    /// <exception cref="BadInputException">It has 2 GiB or more, which a span cannot hold. Weights are read in pieces instead.</exception>
    /// <exception cref="ObjectDisposedException">The <see cref="WeightSource"/> was disposed.</exception>
    public ReadOnlySpan<byte> Bytes => File.Copy(_entry, CheckedLength);

    /// <summary>All its bytes, as a view of the file that is valid until it is closed.</summary>
    internal ReadOnlySpan<byte> View => File.Span(_entry, 0, CheckedLength);

    /// <summary>Whether the elements are at multiples of their size in memory.</summary>
    internal bool IsAligned =>
        SafetensorsDType.TryGetSize(DType, out int size) && File.AddressOf(_entry) is { } address && address % size == 0;

    /// <summary>The address of the bytes in the file's memory map, which stays mapped until <c>Release</c> is called, even if the
    /// <see cref="WeightSource"/> is disposed before.</summary>
    internal (nint Address, Action Release) Map() => File.Map(_entry);

    private int CheckedLength => Length <= int.MaxValue ? (int)Length
        : throw Error($"has {Length} bytes, but a tensor of {DType} that is read as a whole may have at most {int.MaxValue}");

    /// <summary>A piece of its bytes.</summary>
    internal ReadOnlySpan<byte> Span(long offset, int length) => File.Span(_entry, offset, length);

    /// <summary>Lets the system read a piece ahead.</summary>
    internal void Prefetch(long offset, int length) => File.Prefetch(_entry, offset, length);

    /// <summary>Says that a piece was read, so that its pages need not stay in memory.</summary>
    internal void Release(long offset, int length) => File.Release(_entry, offset, length);

    /// <summary>Copies its bytes from <paramref name="offset"/> on, as many as the target holds.</summary>
    internal void CopyTo(Span<byte> target, long offset = 0) => File.CopyTo(_entry, target, offset);

    /// <summary>A copy of the bytes in host memory, which outlives the file.</summary>
    internal StoredBytes Copy()
    {
        var pieces = new List<byte[]>();
        for (long at = 0; at < Length; at += StoredBytes.Piece)
        {
            pieces.Add(Span(at, (int)Math.Min(StoredBytes.Piece, Length - at)).ToArray());
        }
        return new StoredBytes(pieces);
    }

    /// <summary>Whether another tensor has the same type, shape and bytes.</summary>
    internal bool HasSameElements(WeightEntry other) =>
        DType == other.DType && Shape.AsSpan().SequenceEqual(other.Shape) && View.SequenceEqual(other.View);

    /// <summary>A copy to write to another file.</summary>
    internal SafetensorsTensor ToFile(string name) => new(name, ElementType, Shape, Copy().WriteTo);

    /// <summary>The elements, of the size of <typeparamref name="T"/>.</summary>
    /// <exception cref="BadInputException">An array cannot hold that many.</exception>
    internal unsafe T[] ToArray<T>() where T : unmanaged
    {
        long count = Length / sizeof(T);
        if (count > Array.MaxLength)
        {
            throw Error($"has {count} elements, but a tensor of this kind may have at most {Array.MaxLength}");
        }
        var values = new T[count];
        for (long at = 0; at < count; at += Piece / sizeof(T))
        {
            int length = (int)Math.Min(Piece / sizeof(T), count - at);
            CopyTo(MemoryMarshal.AsBytes(values.AsSpan((int)at, length)), at * sizeof(T));
        }
        return values;
    }

    /// <summary>The elements of a floating-point tensor as F32.</summary>
    /// <exception cref="BadInputException">It has another element type.</exception>
    internal float[] ToFloats() => ElementType switch
    {
        "F32" => ToArray<float>(),
        "F16" => Array.ConvertAll(ToArray<Half>(), value => (float)value),
        "BF16" => Array.ConvertAll(ToArray<ushort>(), bits => BitConverter.UInt32BitsToSingle((uint)bits << 16)),
        "F64" => Array.ConvertAll(ToArray<double>(), value => (float)value),
        _ => throw Error($"is {DType}, expected floating-point numbers"),
    };

    /// <summary>Elements of a floating-point tensor as F32, from one of them on.</summary>
    /// <exception cref="BadInputException">It has another element type.</exception>
    internal float[] ToFloats(long first, int count)
    {
        float[] values = new float[count];
        switch (ElementType)
        {
            case "F32":
                MemoryMarshal.Cast<byte, float>(Span(first * sizeof(float), count * sizeof(float))).CopyTo(values);
                return values;
            case "F16":
                var halves = MemoryMarshal.Cast<byte, Half>(Span(first * 2, count * 2));
                System.Numerics.Tensors.TensorPrimitives.ConvertToSingle(halves, values);
                return values;
            case "BF16":
                var bits = MemoryMarshal.Cast<byte, ushort>(Span(first * 2, count * 2));
                for (int i = 0; i < count; i++)
                {
                    values[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
                }
                return values;
            default:
                throw Error($"is {DType}, expected floating-point numbers");
        }
    }

    /// <summary>Whether two tensors have the same dtype, shape and bytes.</summary>
    internal bool IsCopyOf(WeightEntry other)
    {
        if (DType != other.DType || !Shape.AsSpan().SequenceEqual(other.Shape))
        {
            return false;
        }
        for (long at = 0; at < Length; at += Piece)
        {
            int length = (int)Math.Min(Piece, Length - at);
            if (!Span(at, length).SequenceEqual(other.Span(at, length)))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>An error with the message "file: tensor "name" problem."</summary>
    internal BadInputException Error(string problem) => new($"{File.Path}: tensor \"{Name}\" {problem}.");
}
