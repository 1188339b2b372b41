using System.Text.Json;
using Parquet;
using Parquet.Data;
using Parquet.File.Values.Primitives;
using Parquet.Schema;

namespace PeftCore.Cli.Session;

/// <summary>One leaf column of a row group: its values with the levels of the Dremel encoding (Melnik et al. 2010). An entry has a value
/// if its definition level is the highest; its repetition level is the list that it continues, 0 at the start of a row.</summary>
internal sealed class ParquetColumn
{
    private readonly int[]? _definition;
    private readonly int[]? _repetition;
    private readonly int _highest;
    private readonly Action<Utf8JsonWriter, int> _write;
    private int _entry;
    private int _value;

    private ParquetColumn(int highest, int[]? definition, int[]? repetition, Action<Utf8JsonWriter, int> write) =>
        (_highest, _definition, _repetition, _write) = (highest, definition, repetition, write);

    /// <summary>The definition level of the current entry.</summary>
    public int Definition => _definition?[_entry] ?? _highest;

    /// <summary>The repetition level of the current entry; 0 after the last.</summary>
    public int Repetition => _repetition is { } levels && _entry < levels.Length ? levels[_entry] : 0;

    // The package can choose the type by itself, but generates code for it at run time, which native AOT cannot.
    public static Task<ParquetColumn> ReadAsync(ParquetRowGroupReader group, DataField field)
    {
        var type = field.ClrType;
        return Type.GetTypeCode(type) switch
        {
            TypeCode.Boolean => ReadAsync<bool>(group, field, (json, flag) => json.WriteBooleanValue(flag)),
            TypeCode.SByte => ReadAsync<sbyte>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.Byte => ReadAsync<byte>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.Int16 => ReadAsync<short>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.UInt16 => ReadAsync<ushort>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.Int32 => ReadAsync<int>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.UInt32 => ReadAsync<uint>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.Int64 => ReadAsync<long>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.UInt64 => ReadAsync<ulong>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.Decimal => ReadAsync<decimal>(group, field, (json, number) => json.WriteNumberValue(number)),
            TypeCode.Single => ReadAsync<float>(group, field, WriteFloat),
            TypeCode.Double => ReadAsync<double>(group, field, WriteFloat),
            TypeCode.DateTime => ReadAsync<DateTime>(group, field, (json, time) => json.WriteStringValue(time)),
            TypeCode.String => ReadTextsAsync(group, field),
            _ when type == typeof(ReadOnlyMemory<char>) => ReadTextsAsync(group, field),
            // Types that no field of a row has.
            _ when type == typeof(ReadOnlyMemory<byte>) || type == typeof(byte[]) => ReadNullsAsync<ReadOnlyMemory<byte>>(group, field),
            _ when type == typeof(Guid) => ReadNullsAsync<Guid>(group, field),
            _ when type == typeof(DateOnly) => ReadNullsAsync<DateOnly>(group, field),
            _ when type == typeof(TimeOnly) => ReadNullsAsync<TimeOnly>(group, field),
            _ when type == typeof(TimeSpan) => ReadNullsAsync<TimeSpan>(group, field),
            _ when type == typeof(Interval) => ReadNullsAsync<Interval>(group, field),
            _ when type == typeof(BigDecimal) => ReadNullsAsync<BigDecimal>(group, field),
            _ => throw new NotSupportedException($"the column {field.Name} has values of type {type.Name}"),
        };
    }

    /// <summary>Writes the value of the current entry, null without one, and advances.</summary>
    public void Write(Utf8JsonWriter json)
    {
        if (Definition == _highest)
        {
            _write(json, _value);
        }
        else
        {
            json.WriteNullValue();
        }
        Skip();
    }

    /// <summary>Advances by one entry.</summary>
    public void Skip()
    {
        _value += Definition == _highest ? 1 : 0;
        _entry++;
    }

    private static Task<ParquetColumn> ReadTextsAsync(ParquetRowGroupReader group, DataField field) =>
        ReadAsync<ReadOnlyMemory<char>>(group, field, (json, text) => json.WriteStringValue(text.Span));

    private static Task<ParquetColumn> ReadNullsAsync<T>(ParquetRowGroupReader group, DataField field)
        where T : struct => ReadAsync<T>(group, field, (json, _) => json.WriteNullValue());

    private static async Task<ParquetColumn> ReadAsync<T>(ParquetRowGroupReader group, DataField field, Action<Utf8JsonWriter, T> write)
        where T : struct
    {
        int entries = checked((int)(group.GetMetadata(field)?.MetaData?.NumValues
            ?? throw new InvalidDataException($"the column {field.Name} is missing")));
        int highest = field.MaxDefinitionLevel;
        int[]? definition = highest > 0 ? new int[entries] : null, repetition = field.MaxRepetitionLevel > 0 ? new int[entries] : null;
        var values = new T[entries];
        await group.ReadRawAsync<T>(field, values, definition?.AsMemory(), repetition?.AsMemory()).ConfigureAwait(false);
        return new ParquetColumn(highest, definition, repetition, (json, index) => write(json, values[index]));
    }

    private static void WriteFloat(Utf8JsonWriter json, float number)
    {
        if (float.IsFinite(number))
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteNullValue(); // JSON has no NaN.
        }
    }

    private static void WriteFloat(Utf8JsonWriter json, double number)
    {
        if (double.IsFinite(number))
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteNullValue();
        }
    }
}
