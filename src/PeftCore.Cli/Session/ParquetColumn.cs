using System.Text.Json;
using Parquet;
using Parquet.Data;
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

    private ParquetColumn(DataField field, RawColumnData raw)
    {
        _highest = field.MaxDefinitionLevel;
        _definition = _highest > 0 ? raw.DefinitionLevels.ToArray() : null;
        _repetition = field.MaxRepetitionLevel > 0 ? raw.RepetitionLevels.ToArray() : null;
        _write = WriterOf(raw);
    }

    /// <summary>The definition level of the current entry.</summary>
    public int Definition => _definition?[_entry] ?? _highest;

    /// <summary>The repetition level of the current entry; 0 after the last.</summary>
    public int Repetition => _repetition is { } levels && _entry < levels.Length ? levels[_entry] : 0;

    public static async Task<ParquetColumn> ReadAsync(ParquetRowGroupReader group, DataField field)
    {
        using var raw = await group.ReadRawColumnDataBaseAsync(field).ConfigureAwait(false);
        return new ParquetColumn(field, raw);
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

    // Bytes and other types that no field of a row has become null.
    private static Action<Utf8JsonWriter, int> WriterOf(RawColumnData raw) => raw switch
    {
        RawColumnData<ReadOnlyMemory<char>> texts => Of(texts, (json, text) => json.WriteStringValue(text.Span)),
        RawColumnData<bool> flags => Of(flags, (json, flag) => json.WriteBooleanValue(flag)),
        RawColumnData<sbyte> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<byte> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<short> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<ushort> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<int> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<uint> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<long> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<ulong> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<decimal> numbers => Of(numbers, (json, number) => json.WriteNumberValue(number)),
        RawColumnData<float> numbers => Of(numbers, WriteFloat),
        RawColumnData<double> numbers => Of(numbers, WriteFloat),
        RawColumnData<DateTime> times => Of(times, (json, time) => json.WriteStringValue(time)),
        _ => (json, _) => json.WriteNullValue(),
    };

    private static Action<Utf8JsonWriter, int> Of<T>(RawColumnData<T> raw, Action<Utf8JsonWriter, T> write)
        where T : struct
    {
        var values = raw.Values.ToArray();
        return (json, index) => write(json, values[index]);
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
