using System.Text.Json;
using System.Text.Unicode;

namespace PeftCore.Io;

/// <summary>Reads and checks the JSON header of a safetensors file. It is parsed directly from the mapped bytes, so that a malicious header
/// cannot make the reader allocate more memory than its real bytes.</summary>
internal ref struct SafetensorsHeader
{
    private const string MetadataKey = "__metadata__";
    private readonly string _path;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private Utf8JsonReader _json;

    private SafetensorsHeader(string path, ReadOnlySpan<byte> header)
    {
        _path = path;
        // A valid header is three levels deep; deeper nesting is an error at the fourth.
        _json = new Utf8JsonReader(header, new JsonReaderOptions { MaxDepth = 4 });
    }

    /// <summary>Reads the header of a file whose data section has <paramref name="dataLength"/> bytes.</summary>
    public static (Dictionary<string, SafetensorsEntry> Entries, Dictionary<string, string> Metadata) Read(
        string path, ReadOnlySpan<byte> header, long dataLength)
    {
        if (header.IsEmpty || header[0] != (byte)'{')
        {
            throw Bad(path, "the header does not begin with '{', so this is not a safetensors file");
        }

        if (!Utf8.IsValid(header))
        {
            throw Bad(path, "the header is not valid UTF-8");
        }

        var reader = new SafetensorsHeader(path, header);
        try
        {
            reader.ReadObject();
        }
        // Utf8JsonReader reports an escaped half of a surrogate pair as InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Bad(path, $"the header is not valid JSON ({e.Message.TrimEnd('.')})");
        }
        reader.CheckLayout(dataLength);
        return (reader._entries, reader._metadata);
    }

    private void ReadObject()
    {
        bool sawMetadata = false;
        _json.Read();
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            string name = _json.GetString()!;
            _json.Read();
            if (name != MetadataKey)
            {
                ReadEntry(name);
            }
            else if (!sawMetadata)
            {
                ReadMetadata();
            }
            else
            {
                throw Bad(_path, "__metadata__ stands twice in the header");
            }

            sawMetadata |= name == MetadataKey;
        }
        _json.Read(); // Only white space may follow: anything else throws here.
    }

    private void ReadMetadata()
    {
        if (_json.TokenType != JsonTokenType.StartObject)
        {
            throw Bad(_path, $"__metadata__ is {Found()}, expected an object of strings");
        }

        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            string key = _json.GetString()!;
            _json.Read();
            if (_json.TokenType != JsonTokenType.String)
            {
                throw Bad(_path, $"__metadata__ field {Show(key)} is {Found()}, expected a string");
            }

            if (!_metadata.TryAdd(key, _json.GetString()!))
            {
                throw Bad(_path, $"__metadata__ field {Show(key)} stands twice");
            }
        }
    }

    private void ReadEntry(string name)
    {
        if (_json.TokenType != JsonTokenType.StartObject)
        {
            throw BadTensor(name, $"its header entry is {Found()}, expected an object with dtype, shape and data_offsets");
        }

        string? dtype = null;
        long[]? shape = null, offsets = null;
        while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
        {
            string field = _json.GetString()!;
            _json.Read();
            bool twice = field switch
            {
                "dtype" => dtype is not null,
                "shape" => shape is not null,
                "data_offsets" => offsets is not null,
                _ => throw BadTensor(name, $"unknown header field {Show(field)}, expected dtype, shape and data_offsets"),
            };
            if (twice)
            {
                throw BadTensor(name, $"{field} stands twice in the header");
            }

            switch (field)
            {
                case "dtype": dtype = ReadDType(name); break;
                case "shape": shape = ReadIntegers(name, field); break;
                default: offsets = ReadIntegers(name, field); break;
            }
        }
        if (dtype is null || shape is null || offsets is null)
        {
            throw BadTensor(name, $"{(dtype is null ? "dtype" : shape is null ? "shape" : "data_offsets")} is missing in the header");
        }

        if (!_entries.TryAdd(name, Check(name, dtype, shape, offsets)))
        {
            throw BadTensor(name, "the name stands twice in the header");
        }
    }

    private string ReadDType(string name)
    {
        if (_json.TokenType != JsonTokenType.String)
        {
            throw BadTensor(name, $"dtype is {Found()}, expected a string");
        }

        string dtype = _json.GetString()!;
        return SafetensorsDType.TryGetSize(dtype, out _) ? dtype
            : throw BadTensor(name, $"unknown dtype {Show(dtype)}, expected one of {SafetensorsDType.Known}");
    }

    private long[] ReadIntegers(string name, string field)
    {
        if (_json.TokenType != JsonTokenType.StartArray)
        {
            throw BadTensor(name, $"{field} is {Found()}, expected a list of integers");
        }

        var values = new List<long>(4);
        while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            // The sign is checked too: "-0" is no unsigned integer to the reference reader.
            if (_json.TokenType != JsonTokenType.Number || _json.ValueSpan[0] == (byte)'-' || !_json.TryGetInt64(out long value))
            {
                throw BadTensor(name, $"{field} holds {Found()}, expected integers from 0 to {long.MaxValue}");
            }

            values.Add(value);
        }
        return [.. values];
    }

    private readonly SafetensorsEntry Check(string name, string dtype, long[] shape, long[] offsets)
    {
        if (offsets.Length != 2)
        {
            throw BadTensor(name, $"data_offsets has {offsets.Length} numbers, expected 2 (begin and end)");
        }

        SafetensorsDType.TryGetSize(dtype, out int size);
        if (!SafetensorsDType.TryGetByteLength(shape, size, out long bytes))
        {
            throw BadTensor(name, $"the shape {ShowShape(shape)} has more elements than any file can hold");
        }

        if (offsets[1] < offsets[0])
        {
            throw BadTensor(name, $"data_offsets ends at {offsets[1]}, before its begin {offsets[0]}");
        }

        if (offsets[1] - offsets[0] != bytes)
        {
            throw BadTensor(name, $"data_offsets span {offsets[1] - offsets[0]} bytes, but {dtype} {ShowShape(shape)} needs {bytes}");
        }

        return new SafetensorsEntry(name, dtype, shape, offsets[0], bytes);
    }

    // The tensors must tile the data section: no overlap, no hole, no rest. The reference implementation requires the same,
    // so that all readers agree about a file and it has no hidden data.
    private readonly void CheckLayout(long dataLength)
    {
        long end = 0;
        foreach (var entry in _entries.Values.OrderBy(e => e.Offset).ThenBy(e => e.Length))
        {
            if (entry.Offset + entry.Length > dataLength)
            {
                throw BadTensor(entry.Name,
                    $"data_offsets end at {entry.Offset + entry.Length}, but the file has only {dataLength} data bytes"
                    + " (was it cut off while copying?)");
            }

            if (entry.Offset < end)
            {
                throw BadTensor(entry.Name, $"its data begins at {entry.Offset}, inside another tensor that ends at {end}");
            }

            if (entry.Offset > end)
            {
                throw BadTensor(entry.Name, $"its data begins at {entry.Offset}, leaving a hole after {end}");
            }

            end = entry.Offset + entry.Length;
        }
        if (end != dataLength)
        {
            throw Bad(_path, $"the tensors end at byte {end} of the data section, but it has {dataLength} bytes");
        }
    }

    private readonly string Found() => _json.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.Null => "null",
        JsonTokenType.True or JsonTokenType.False => "a boolean",
        JsonTokenType.String => Show(_json.GetString()!),
        _ => Show(System.Text.Encoding.UTF8.GetString(_json.ValueSpan)),
    };

    private static string Show(string text) => $"\"{(text.Length > 60 ? text[..60] + "…" : text)}\"";

    private static string ShowShape(long[] shape) =>
        shape.Length <= 8 ? $"[{string.Join(", ", shape)}]" : $"[{string.Join(", ", shape[..8])}, …]";

    private readonly BadInputException BadTensor(string name, string reason) => Bad(_path, $"tensor {Show(name)}: {reason}");

    private static BadInputException Bad(string path, string reason) => new($"{path}: {reason}.");
}
