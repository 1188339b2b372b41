using System.Runtime.InteropServices;

namespace PeftCore.Io.Gguf;

/// <summary>The tensors of a GGUF file under the names, and in the layout, that the model has. Weights that are stored in blocks are
/// dequantised to F32 as they are read, a piece at a time, and become BF16 in a model unless another dtype is asked for.</summary>
internal sealed class GgufWeights : TensorFile
{
    private const string Wide = "F32", Narrow = "BF16";

    private readonly GgufFile _file;
    private readonly Dictionary<string, (GgufTensor Tensor, GgufLayout Layout)> _stored = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly int _heads, _keyHeads;

    /// <param name="file">The file, which is closed with this.</param>
    /// <param name="architecture">Its architecture.</param>
    /// <param name="heads">Heads of q.</param>
    /// <param name="keyHeads">Heads of k.</param>
    /// <param name="ignored">Tensors that are no parameters.</param>
    /// <exception cref="BadInputException">A tensor has a type that is not read, or rows that are no whole heads.</exception>
    public GgufWeights(GgufFile file, GgufArchitecture architecture, int heads, int keyHeads, IReadOnlyCollection<string> ignored)
    {
        (_file, _heads, _keyHeads) = (file, heads, keyHeads);
        foreach (var tensor in file.Tensors.Values.Where(tensor => !ignored.Contains(tensor.Name)))
        {
            var (name, layout) = architecture.ToModel(tensor.Name) ?? (tensor.Name, GgufLayout.Same);
            Check(tensor, layout);
            long[] shape = layout == GgufLayout.Transposed ? [.. tensor.Shape.Reverse()] : tensor.Shape;
            if (!_stored.TryAdd(name, (tensor, layout)))
            {
                throw new BadInputException($"{Path}: two tensors are \"{name}\" of the model, one of them \"{tensor.Name}\"; the file " +
                    "is damaged.");
            }
            _entries[name] = new SafetensorsEntry(name, tensor.Type.Name, shape, 0, tensor.Count * SizeOf(tensor.Type));
        }
    }

    /// <inheritdoc/>
    public override string Path => _file.Path;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <inheritdoc/>
    public override long DataLength => _stored.Values.Sum(stored => stored.Tensor.Length);

    /// <summary>A sentence about the tensors in blocks; null if there are none.</summary>
    public string? Note
    {
        get
        {
            var blocked = _stored.Values.Select(stored => stored.Tensor).Where(tensor => tensor.Type.IsBlocked).ToList();
            var types = blocked.GroupBy(tensor => tensor.Type.Name).OrderByDescending(group => group.Sum(tensor => tensor.Length));
            return blocked.Count == 0 ? null
                : $"{Path}: {blocked.Count} tensors are stored in blocks ({string.Join(", ", types.Select(group => group.Key))}) and are " +
                $"dequantised as they are read, to {Narrow} unless another dtype is given.";
        }
    }

    /// <inheritdoc/>
    public override string ElementTypeOf(string dtype) => GgufType.Named(dtype).IsBlocked ? Wide : dtype;

    /// <inheritdoc/>
    public override string DefaultTypeOf(string dtype) => GgufType.Named(dtype).IsBlocked ? Narrow : dtype;

    /// <summary>A piece of a tensor: a view of the file if it is stored as the model has it, otherwise an array of its own.</summary>
    public override ReadOnlySpan<byte> Span(SafetensorsEntry entry, long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, entry.Length - length);
        var (tensor, layout) = _stored[entry.Name];
        if (layout == GgufLayout.Same && !tensor.Type.IsBlocked)
        {
            return _file.Bytes.Span(tensor.Offset + offset, length);
        }
        byte[] values = GC.AllocateUninitializedArray<byte>(length);
        Read(tensor, layout, offset / SizeOf(tensor.Type), values);
        return values;
    }

    /// <inheritdoc/>
    public override void Prefetch(SafetensorsEntry entry, long offset, int length)
    {
        if (offset < entry.Length)
        {
            var (at, bytes) = PlaceOf(entry, offset, (int)Math.Min(length, entry.Length - offset));
            _file.Bytes.Prefetch(at, bytes);
        }
    }

    /// <inheritdoc/>
    public override void Release(SafetensorsEntry entry, long offset, int length)
    {
        var (at, bytes) = PlaceOf(entry, offset, length);
        _file.Bytes.Release(at, bytes);
    }

    /// <inheritdoc/>
    public override byte[] Copy(SafetensorsEntry entry, int length) => Span(entry, 0, length).ToArray();

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    private static int SizeOf(GgufType type) => type.IsBlocked ? sizeof(float) : type.Bytes;

    private void Check(GgufTensor tensor, GgufLayout layout)
    {
        if (tensor.Type.IsBlocked && !tensor.Type.IsReadable)
        {
            throw new BadInputException($"{Path}: tensor \"{tensor.Name}\" is {tensor.Type.Name}, which is not read; read are " +
                $"{GgufType.Readable}; take a file with such tensors, or quantise the model anew with llama-quantize.");
        }
        long rows = tensor.Shape.Length == 0 ? 1 : tensor.Shape[0];
        if (layout is GgufLayout.QueryRows or GgufLayout.KeyRows && rows % (2 * HeadsOf(layout)) != 0)
        {
            throw new BadInputException($"{Path}: tensor \"{tensor.Name}\" has {rows} rows, which {HeadsOf(layout)} heads of an even " +
                "size do not divide; the file contradicts its metadata.");
        }
        if (layout == GgufLayout.Transposed && tensor.Shape.Length != 2)
        {
            throw new BadInputException($"{Path}: tensor \"{tensor.Name}\" has {tensor.Shape.Length} axes, expected a matrix.");
        }
    }

    private int HeadsOf(GgufLayout layout) => layout == GgufLayout.QueryRows ? _heads : _keyHeads;

    /// <summary>The bytes of the file that hold about a piece; for tensors in another order a part of the same size.</summary>
    private (long At, int Length) PlaceOf(SafetensorsEntry entry, long offset, int length)
    {
        var type = _stored[entry.Name].Tensor.Type;
        int size = SizeOf(type);
        long first = offset / size / type.Elements * type.Bytes,
            last = Math.Min((offset + length + (long)size * type.Elements - 1) / size / type.Elements * type.Bytes,
                _stored[entry.Name].Tensor.Length);
        return (_stored[entry.Name].Tensor.Offset + first, (int)(last - first));
    }

    /// <summary>Reads elements in the model's order.</summary>
    private void Read(GgufTensor tensor, GgufLayout layout, long first, Span<byte> values)
    {
        if (layout == GgufLayout.Same)
        {
            ReadStored(tensor, first, values);
            return;
        }
        if (layout == GgufLayout.Transposed)
        {
            ReadTransposed(tensor, first, values);
            return;
        }
        // A vector has one element a row.
        long columns = tensor.Shape.Length == 1 ? 1 : tensor.Columns, headDim = tensor.Shape[0] / HeadsOf(layout);
        int size = SizeOf(tensor.Type);
        while (values.Length > 0)
        {
            var (row, column) = Math.DivRem(first, columns);
            int count = (int)Math.Min(columns - column, values.Length / size);
            ReadStored(tensor, GgufRows.InFile(row, headDim) * columns + column, values[..(count * size)]);
            values = values[(count * size)..];
            first += count;
        }
    }

    /// <summary>Reads elements of the transposed matrix: of every row in the file the columns that are rows of the piece.</summary>
    private void ReadTransposed(GgufTensor tensor, long first, Span<byte> values)
    {
        int size = SizeOf(tensor.Type);
        long rows = tensor.Shape[0], count = values.Length / size;
        long firstColumn = first / rows, lastColumn = (first + count - 1) / rows;
        byte[] part = new byte[(lastColumn - firstColumn + 1) * size];
        for (long row = 0; row < rows && count > 0; row++)
        {
            ReadStored(tensor, row * tensor.Columns + firstColumn, part);
            for (long column = firstColumn; column <= lastColumn; column++)
            {
                long at = column * rows + row - first;
                if (at >= 0 && at < count)
                {
                    part.AsSpan((int)(column - firstColumn) * size, size).CopyTo(values[((int)at * size)..]);
                }
            }
        }
    }

    /// <summary>Reads elements in the order of the file, dequantising blocks.</summary>
    private void ReadStored(GgufTensor tensor, long first, Span<byte> values)
    {
        var type = tensor.Type;
        if (!type.IsBlocked)
        {
            _file.Bytes.Span(tensor.Offset + first * type.Bytes, values.Length).CopyTo(values);
            return;
        }
        var numbers = MemoryMarshal.Cast<byte, float>(values);
        Span<float> block = stackalloc float[type.Elements];
        while (numbers.Length > 0)
        {
            var (index, inside) = Math.DivRem(first, type.Elements);
            int whole = inside == 0 ? numbers.Length / type.Elements : 0;
            if (whole > 0)
            {
                var blocks = _file.Bytes.Span(tensor.Offset + index * type.Bytes, checked(whole * type.Bytes));
                type.Dequantize!(blocks, numbers[..(whole * type.Elements)]);
                numbers = numbers[(whole * type.Elements)..];
                first += (long)whole * type.Elements;
                continue;
            }
            type.Dequantize!(_file.Bytes.Span(tensor.Offset + index * type.Bytes, type.Bytes), block);
            int count = (int)Math.Min(type.Elements - inside, numbers.Length);
            block.Slice((int)inside, count).CopyTo(numbers);
            numbers = numbers[count..];
            first += count;
        }
    }
}
