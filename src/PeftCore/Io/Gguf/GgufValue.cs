using System.Buffers.Binary;

namespace PeftCore.Io.Gguf;

/// <summary>The type of a value in a GGUF file's metadata, by its number in files.</summary>
internal enum GgufValueType : uint
{
    UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
}

/// <summary>A value of a GGUF file's metadata. Lists stay in the file until they are asked for.</summary>
internal sealed class GgufValue
{
    private readonly MappedFile _file;
    private readonly long _place;

    private GgufValue(MappedFile file, string key, GgufValueType type, long place, long? count) =>
        (_file, Key, Type, _place, Count) = (file, key, type, place, count);

    /// <summary>The key.</summary>
    public string Key { get; }

    /// <summary>The type, or that of a list's elements.</summary>
    public GgufValueType Type { get; }

    /// <summary>Number of elements of a list; null for a single value.</summary>
    public long? Count { get; }

    private bool IsInteger => Type is not (GgufValueType.Float32 or GgufValueType.Float64 or GgufValueType.Bool or GgufValueType.String);

    /// <summary>Reads a value's type and skips the value.</summary>
    /// <exception cref="BadInputException">The type is unknown, or the value reaches beyond the file.</exception>
    public static GgufValue Read(MappedFile file, GgufCursor cursor, string key)
    {
        string what = $"the value of \"{key}\"";
        var type = TypeAt(cursor, what);
        if (type != GgufValueType.Array)
        {
            long place = cursor.At;
            Skip(cursor, type, what);
            return new GgufValue(file, key, type, place, null);
        }
        var element = TypeAt(cursor, what);
        if (element == GgufValueType.Array)
        {
            throw cursor.Bad($"{what} is a list of lists, which is not read");
        }
        // Every string has a length of eight bytes.
        int size = element == GgufValueType.String ? sizeof(ulong) : SizeOf(element);
        long count = cursor.Count($"the number of elements of \"{key}\"", Math.Max(0, cursor.Left - sizeof(ulong)) / size);
        long first = cursor.At;
        if (element == GgufValueType.String)
        {
            for (long i = 0; i < count; i++)
            {
                cursor.SkipText($"element {i} of \"{key}\"");
            }
        }
        else
        {
            cursor.Skip(count * size, what);
        }
        return new GgufValue(file, key, element, first, count);
    }

    /// <summary>The value as an integer.</summary>
    public long Integer => Count is null && IsInteger ? IntegerAt(_place) : throw Wrong("an integer");

    /// <summary>The value as a number.</summary>
    public double Number => Count is null && Type is GgufValueType.Float32 or GgufValueType.Float64 ? FloatAt(_place)
        : Count is null && IsInteger ? IntegerAt(_place) : throw Wrong("a number");

    /// <summary>The value as a truth value.</summary>
    public bool Bool => Count is null && Type == GgufValueType.Bool ? _file.Span(_place, 1)[0] != 0 : throw Wrong("true or false");

    /// <summary>The value as a text.</summary>
    public string Text => Count is null && Type == GgufValueType.String ? new GgufCursor(_file, _place).Text($"the value of \"{Key}\"")
        : throw Wrong("a string");

    /// <summary>The value as a list of texts.</summary>
    public string[] Texts
    {
        get
        {
            if (Count is not { } count || Type != GgufValueType.String || count > Array.MaxLength)
            {
                throw Wrong("a list of strings");
            }
            var cursor = new GgufCursor(_file, _place);
            string[] texts = new string[count];
            for (int i = 0; i < count; i++)
            {
                texts[i] = cursor.Text($"element {i} of \"{Key}\"");
            }
            return texts;
        }
    }

    /// <summary>The value as a list of integers.</summary>
    public long[] Integers => Count is { } count && IsInteger && count <= Array.MaxLength
        ? Elements(count, IntegerAt) : throw Wrong("a list of integers");

    /// <summary>The value as a list of numbers.</summary>
    public double[] Numbers => Count is { } count && Type is GgufValueType.Float32 or GgufValueType.Float64 && count <= Array.MaxLength
        ? Elements(count, FloatAt) : throw Wrong("a list of numbers");

    /// <summary>An error about the value.</summary>
    public BadInputException Bad(string problem) => new($"{_file.Path}: \"{Key}\" {problem}.");

    private BadInputException Wrong(string expected) =>
        Bad($"is {(Count is null ? $"of type {Type}" : $"a list of {Type}")}, expected {expected}");

    private T[] Elements<T>(long count, Func<long, T> read)
    {
        var values = new T[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = read(_place + (long)i * SizeOf(Type));
        }
        return values;
    }

    private long IntegerAt(long place)
    {
        var bytes = _file.Span(place, SizeOf(Type));
        return Type switch
        {
            GgufValueType.UInt8 => bytes[0],
            GgufValueType.Int8 => (sbyte)bytes[0],
            GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            GgufValueType.UInt64 when BinaryPrimitives.ReadUInt64LittleEndian(bytes) is var value => value <= long.MaxValue ? (long)value
                : throw Bad($"is {value}, beyond any size"),
            _ => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        };
    }

    // A number of 32 bits is read as the shortest decimal that has its value, which is what it was made from: 1e-5, not 9.99999975e-6.
    private double FloatAt(long place) => Type == GgufValueType.Float64
        ? BinaryPrimitives.ReadDoubleLittleEndian(_file.Span(place, sizeof(double)))
        : double.Parse(Shortest(place), System.Globalization.NumberStyles.Float, Invariant);

    private string Shortest(long place) => BinaryPrimitives.ReadSingleLittleEndian(_file.Span(place, sizeof(float))).ToString("R", Invariant);

    private static System.Globalization.CultureInfo Invariant => System.Globalization.CultureInfo.InvariantCulture;

    private static GgufValueType TypeAt(GgufCursor cursor, string what)
    {
        long place = cursor.At;
        uint type = cursor.UInt32($"the type of {what}");
        return type <= (uint)GgufValueType.Float64 ? (GgufValueType)type
            : throw cursor.Bad($"{what} has the unknown type {type}; the file is damaged or of a newer version", place);
    }

    private static void Skip(GgufCursor cursor, GgufValueType type, string what)
    {
        if (type == GgufValueType.String)
        {
            cursor.SkipText(what);
        }
        else
        {
            cursor.Skip(SizeOf(type), what);
        }
    }

    private static int SizeOf(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        _ => 8,
    };
}
