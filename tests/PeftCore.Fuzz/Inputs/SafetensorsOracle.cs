using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace PeftCore.Fuzz.Inputs;

/// <summary>A second, independent reading of the safetensors format, slow and plain: its own JSON parser into lists of pairs, its own
/// arithmetic in big integers. It decides whether a file is valid, and returns its content.</summary>
internal sealed class SafetensorsOracle
{
    private static readonly Dictionary<string, int> Sizes = new()
    {
        ["BOOL"] = 1, ["U8"] = 1, ["I8"] = 1, ["F8_E4M3"] = 1, ["F8_E5M2"] = 1, ["I16"] = 2, ["U16"] = 2, ["F16"] = 2, ["BF16"] = 2,
        ["I32"] = 4, ["U32"] = 4, ["F32"] = 4, ["F64"] = 8, ["I64"] = 8, ["U64"] = 8,
    };

    private readonly string _text;
    private int _at;

    private SafetensorsOracle(string text) => _text = text;

    public static bool Accepts(byte[] file) => Read(file) is not null;

    /// <summary>The content of a file; null if it is invalid.</summary>
    public static SafetensorsContent? Read(byte[] file)
    {
        try
        {
            return Check(file);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static SafetensorsContent Check(byte[] file)
    {
        Demand(file.Length >= 8);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file);
        Demand(length <= 100_000_000 && length <= (ulong)(file.Length - 8));
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(file, 8, (int)length);
        }
        catch (ArgumentException)
        {
            throw new InvalidDataException();
        }
        Demand(text.StartsWith('{'));
        var parser = new SafetensorsOracle(text);
        var root = (List<(string, object)>)parser.Value(0);
        parser.Space();
        Demand(parser._at == text.Length);
        return Tile(root, file[(8 + (int)length)..]);
    }

    private static SafetensorsContent Tile(List<(string Key, object Value)> root, byte[] data)
    {
        Demand(root.Select(p => p.Key).Distinct().Count() == root.Count);
        var pieces = new List<(string Name, BigInteger Begin, BigInteger End, string Label)>();
        var metadata = new Dictionary<string, string>();
        foreach ((string key, object value) in root)
        {
            Demand(value is List<(string, object)>);
            var fields = (List<(string Key, object Value)>)value;
            Demand(fields.Select(p => p.Key).Distinct().Count() == fields.Count);
            if (key == "__metadata__")
            {
                Demand(fields.All(f => f.Value is string));
                metadata = fields.ToDictionary(f => f.Key, f => (string)f.Value);
            }
            else
            {
                var (begin, end, label) = Piece(fields);
                pieces.Add((key, begin, end, label));
            }
        }
        BigInteger reached = 0;
        foreach (var (_, begin, end, _) in pieces.OrderBy(p => p.Begin).ThenBy(p => p.End))
        {
            Demand(begin == reached);
            reached = end;
        }
        Demand(reached == data.Length);
        return new SafetensorsContent(pieces.ToDictionary(p => p.Name, p => (p.Label, data[(int)p.Begin..(int)p.End])), metadata);
    }

    private static (BigInteger Begin, BigInteger End, string Label) Piece(List<(string Key, object Value)> fields)
    {
        Demand(fields.Select(f => f.Key).Order().SequenceEqual(["data_offsets", "dtype", "shape"]));
        var field = fields.ToDictionary(f => f.Key, f => f.Value);
        Demand(field["dtype"] is string name && Sizes.ContainsKey(name));
        BigInteger bytes = 1;
        foreach (var axis in Integers(field["shape"]))
        {
            bytes *= axis;
            Demand(bytes <= long.MaxValue);
        }
        bytes *= Sizes[(string)field["dtype"]];
        var offsets = Integers(field["data_offsets"]);
        Demand(offsets.Length == 2 && offsets[1] - offsets[0] == bytes);
        return (offsets[0], offsets[1], $"{field["dtype"]} [{string.Join(",", Integers(field["shape"]))}]");
    }

    private static BigInteger[] Integers(object value)
    {
        Demand(value is List<object> list && list.All(v => v is BigInteger i && i <= long.MaxValue));
        return [.. ((List<object>)value).Cast<BigInteger>()];
    }

    private object Value(int depth)
    {
        Demand(depth < 20);
        Space();
        switch (Peek())
        {
            case '{':
                var pairs = new List<(string, object)>();
                Sequence('}', () =>
                {
                    Space();
                    string key = Text();
                    Space();
                    Demand(Next() == ':');
                    pairs.Add((key, Value(depth + 1)));
                });
                return pairs;
            case '[':
                var items = new List<object>();
                Sequence(']', () => items.Add(Value(depth + 1)));
                return items;
            case '"':
                return Text();
            default:
                return Word();
        }
    }

    private void Sequence(char close, Action item)
    {
        Next();
        Space();
        if (Peek() == close)
        {
            Next();
            return;
        }
        while (true)
        {
            item();
            Space();
            char after = Next();
            if (after == close)
            {
                return;
            }

            Demand(after == ',');
        }
    }

    private object Word()
    {
        int start = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] is '-' or '+' or '.'))
        {
            _at++;
        }

        string word = _text[start.._at];
        if (word is "true" or "false" or "null")
        {
            return word[0];
        }

        if (System.Text.RegularExpressions.Regex.IsMatch(word, "^(0|[1-9][0-9]*)$"))
        {
            return BigInteger.Parse(word, CultureInfo.InvariantCulture);
        }

        Demand(System.Text.RegularExpressions.Regex.IsMatch(word, @"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"));
        return 0.5;
    }

    private string Text()
    {
        Demand(Next() == '"');
        var text = new StringBuilder();
        for (char c = Next(); c != '"'; c = Next())
        {
            Demand(c >= ' ');
            text.Append(c == '\\' ? Escape() : c);
        }
        string result = text.ToString();
        for (int i = 0; i < result.Length; i++)
        {
            if (char.IsSurrogate(result[i]))
            {
                Demand(char.IsHighSurrogate(result[i]) && i + 1 < result.Length && char.IsLowSurrogate(result[++i]));
            }
        }

        return result;
    }

    private char Escape()
    {
        char c = Next();
        if (c == 'u')
        {
            Demand(_at + 4 <= _text.Length && _text.AsSpan(_at, 4).ToArray().All(char.IsAsciiHexDigit));
            _at += 4;
            return (char)Convert.ToInt32(_text[(_at - 4).._at], 16);
        }
        int known = "\"\\/bfnrt".IndexOf(c);
        Demand(known >= 0);
        return "\"\\/\b\f\n\r\t"[known];
    }

    private void Space()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\t' or '\n' or '\r')
        {
            _at++;
        }
    }

    private char Peek()
    {
        Demand(_at < _text.Length);
        return _text[_at];
    }

    private char Next()
    {
        char c = Peek();
        _at++;
        return c;
    }

    private static void Demand(bool condition)
    {
        if (!condition)
        {
            throw new InvalidDataException();
        }
    }
}

/// <summary>The content of a file.</summary>
/// <param name="Tensors">By name: the element type and the shape as "F32 [2,3]", and the bytes.</param>
/// <param name="Metadata">The file's notes.</param>
internal sealed record SafetensorsContent(IReadOnlyDictionary<string, (string Label, byte[] Bytes)> Tensors,
    IReadOnlyDictionary<string, string> Metadata);
