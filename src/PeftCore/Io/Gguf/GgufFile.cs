namespace PeftCore.Io.Gguf;

/// <summary>A GGUF file, memory-mapped, with a validated header (versions 2 and 3, little-endian; the format: ggml's docs/gguf.md). It is
/// the magic "GGUF", a version, the numbers of tensors and of metadata values, the values, the tensors' entries, and the tensors'
/// data, each at a multiple of the alignment.</summary>
internal sealed class GgufFile : IDisposable
{
    private const int HeaderBytes = 24, LeastValue = 13, LeastTensor = 24, MostAxes = 4, DefaultAlignment = 32;
    private const string AlignmentKey = "general.alignment";

    private readonly MappedFile _file;
    private readonly OrderedDictionary<string, GgufValue> _values = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);

    private GgufFile(MappedFile file)
    {
        _file = file;
        var cursor = new GgufCursor(file);
        ReadVersion(cursor);
        long tensors = cursor.Count("the number of tensors", file.Length / LeastTensor);
        long values = cursor.Count("the number of metadata values", cursor.Left / LeastValue);
        for (long i = 0; i < values; i++)
        {
            long place = cursor.At;
            string key = cursor.Text($"the key of metadata value {i}");
            if (!_values.TryAdd(key, GgufValue.Read(file, cursor, key)))
            {
                throw cursor.Bad($"the metadata key \"{key}\" stands twice", place);
            }
        }
        ReadTensors(cursor, tensors, Alignment());
    }

    /// <summary>The path.</summary>
    public string Path => _file.Path;

    /// <summary>The metadata by key, in the order of the file.</summary>
    public IReadOnlyDictionary<string, GgufValue> Values => _values;

    /// <summary>The tensors by name, in the order of the file.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors => _tensors;

    /// <summary>The mapped bytes.</summary>
    public MappedFile Bytes => _file;

    /// <summary>Whether a path has the ending of GGUF files.</summary>
    public static bool IsNamed(string path) => path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);

    /// <summary>Opens and validates a file.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or violates the format.</exception>
    public static GgufFile Open(string path)
    {
        var file = MappedFile.Open(path, "GGUF", HeaderBytes);
        try
        {
            return new GgufFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A value that must be in the metadata.</summary>
    /// <exception cref="BadInputException">It is missing.</exception>
    public GgufValue Get(string key) =>
        Values.GetValueOrDefault(key) ?? throw new BadInputException($"{Path}: the metadata lack \"{key}\".");

    /// <summary>A value of the metadata, or null.</summary>
    public GgufValue? Find(string key) => Values.GetValueOrDefault(key);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static void ReadVersion(GgufCursor cursor)
    {
        if (!cursor.Bytes(4, "the magic").SequenceEqual("GGUF"u8))
        {
            throw cursor.Bad("the file does not begin with \"GGUF\", so it is not a GGUF file", 0);
        }
        uint version = cursor.UInt32("the version");
        if (version is not (2 or 3))
        {
            throw cursor.Bad(version is not 0 && (version & 0xFFFF) == 0
                ? "the file is big-endian, which is not read; convert it with gguf_convert_endian.py of llama.cpp"
                : $"the version is {version}, but 2 and 3 are read; convert the model again with a current llama.cpp", 4);
        }
    }

    private int Alignment()
    {
        if (Find(AlignmentKey) is not { } value)
        {
            return DefaultAlignment;
        }
        return value.Integer is > 0 and <= 1 << 30 and var bytes && long.IsPow2(bytes) ? (int)bytes
            : throw value.Bad($"is {value.Integer}, expected a power of two");
    }

    private void ReadTensors(GgufCursor cursor, long count, int alignment)
    {
        var places = new List<(long Place, string Name, GgufType Type, long[] Shape, long Offset, long Length)>();
        for (long i = 0; i < count; i++)
        {
            long place = cursor.At;
            string name = cursor.Text($"the name of tensor {i}");
            string what = $"tensor \"{name}\"";
            uint axes = cursor.UInt32($"the number of axes of {what}");
            if (axes > MostAxes)
            {
                throw cursor.Bad($"{what} has {axes} axes, more than the format's {MostAxes}", place);
            }
            long[] shape = new long[axes];
            for (int axis = shape.Length - 1; axis >= 0; axis--)
            {
                shape[axis] = cursor.Count($"an axis of {what}", long.MaxValue);
            }
            uint id = cursor.UInt32($"the type of {what}");
            var type = GgufType.Find(id)
                ?? throw cursor.Bad($"{what} has the unknown type {id}; the file is damaged or of a newer version");
            long offset = cursor.Count($"the offset of {what}", long.MaxValue);
            places.Add((place, name, type, shape, offset, LengthOf(cursor, what, place, type, shape)));
        }
        long start = (cursor.At + alignment - 1) / alignment * alignment, bytes = _file.Length - start;
        foreach (var (place, name, type, shape, offset, length) in places)
        {
            if (offset % alignment != 0)
            {
                throw cursor.Bad($"tensor \"{name}\" begins at {offset}, which is no multiple of the alignment {alignment}", place);
            }
            if (offset > bytes - length)
            {
                throw cursor.Bad($"tensor \"{name}\" takes bytes {offset} to {(Int128)offset + length} of the data, but the file has " +
                    $"{Math.Max(0, bytes)}; the file is cut off or damaged", place);
            }
            if (!_tensors.TryAdd(name, new GgufTensor(name, type, shape, start + offset, length)))
            {
                throw cursor.Bad($"the tensor name \"{name}\" stands twice", place);
            }
        }
    }

    private long LengthOf(GgufCursor cursor, string what, long place, GgufType type, long[] shape)
    {
        long columns = shape.Length == 0 ? 1 : shape[^1];
        if (columns % type.Elements != 0)
        {
            throw cursor.Bad($"{what} has rows of {columns} numbers, which are no whole blocks of {type.Elements} ({type.Name})", place);
        }
        Int128 count = 1;
        foreach (long axis in shape)
        {
            count *= axis;
            // A product of two factors below 2⁶³ fits in 127 bits; the file's length bounds the next one.
            if (count / type.Elements > _file.Length)
            {
                throw cursor.Bad($"{what} has the shape ({string.Join(", ", shape)}), more than the file holds; it is cut off or damaged",
                    place);
            }
        }
        return (long)(count / type.Elements) * type.Bytes;
    }
}
