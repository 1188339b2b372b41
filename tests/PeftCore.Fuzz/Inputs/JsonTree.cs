using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PeftCore.Fuzz.Inputs;

/// <summary>A JSON value that may be invalid: keys may be duplicated, and a scalar may be any text.</summary>
internal sealed class JsonTree
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private JsonTree()
    {
    }

    /// <summary>The fields of an object; null for other values.</summary>
    public List<(string Key, JsonTree Value)>? Fields { get; private init; }

    /// <summary>The items of a list; null for other values.</summary>
    public List<JsonTree>? Items { get; private init; }

    /// <summary>The text of a scalar.</summary>
    public string Raw { get; private init; } = "";

    public bool IsNumber => double.TryParse(Raw, NumberStyles.Float, CultureInfo.InvariantCulture, out _) && char.IsAsciiDigit(Raw[^1]);

    public bool IsBool => Raw is "true" or "false";

    public bool IsString => Raw.StartsWith('"');

    public bool IsNull => Raw == "null";

    public double Number => double.Parse(Raw, CultureInfo.InvariantCulture);

    public string Text => JsonSerializer.Deserialize<string>(Raw)!;

    /// <summary>The first field of a name; setting it replaces the field in place, or adds it.</summary>
    public JsonTree? this[string key]
    {
        get => Fields!.Find(field => field.Key == key).Value;
        set
        {
            int at = Fields!.FindIndex(field => field.Key == key);
            if (at >= 0)
            {
                Fields[at] = (key, value!);
            }
            else
            {
                Fields.Add((key, value!));
            }
        }
    }

    public static JsonTree Scalar(string raw) => new() { Raw = raw };

    public static JsonTree Of(string text) => Scalar(JsonSerializer.Serialize(text, Relaxed));

    public static JsonTree Of(double number) => Scalar(number.ToString("R", CultureInfo.InvariantCulture));

    public static JsonTree Parse(string json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 1000 });
        return From(document.RootElement);
    }

    public static JsonTree From(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => new() { Fields = [.. element.EnumerateObject().Select(field => (field.Name, From(field.Value)))] },
        JsonValueKind.Array => new() { Items = [.. element.EnumerateArray().Select(From)] },
        _ => Scalar(element.GetRawText()),
    };

    public bool Has(string key) => Fields!.Exists(field => field.Key == key);

    public void Remove(string key) => Fields!.RemoveAll(field => field.Key == key);

    public void Set(string key, string json) => this[key] = Parse(json);

    public JsonTree Clone() => this switch
    {
        { Fields: { } fields } => new() { Fields = [.. fields.Select(field => (field.Key, field.Value.Clone()))] },
        { Items: { } items } => new() { Items = [.. items.Select(item => item.Clone())] },
        _ => Scalar(Raw),
    };

    /// <summary>All values in it, itself first.</summary>
    public IEnumerable<JsonTree> All()
    {
        var inner = Fields?.Select(field => field.Value) ?? Items ?? Enumerable.Empty<JsonTree>();
        return inner.SelectMany(value => value.All()).Prepend(this);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        Write(text, "");
        return text.ToString();
    }

    /// <summary>The text, with <paramref name="space"/> after every punctuation mark.</summary>
    public string ToString(string space)
    {
        var text = new StringBuilder();
        Write(text, space);
        return text.ToString();
    }

    private void Write(StringBuilder text, string space)
    {
        if (Fields is null && Items is null)
        {
            text.Append(Raw);
            return;
        }
        text.Append(Fields is null ? '[' : '{').Append(space);
        int count = Fields?.Count ?? Items!.Count;
        for (int i = 0; i < count; i++)
        {
            text.Append(i > 0 ? "," : "").Append(i > 0 ? space : "");
            if (Fields is not null)
            {
                text.Append(JsonSerializer.Serialize(Fields[i].Key, Relaxed)).Append(':').Append(space);
            }
            (Fields is null ? Items![i] : Fields[i].Value).Write(text, space);
        }
        text.Append(space).Append(Fields is null ? ']' : '}');
    }
}
