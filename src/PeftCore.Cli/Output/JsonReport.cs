using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Cli.Output;

/// <summary>The object that --json prints on one line, with names in snake_case. Null means absent; a number that is not finite is an
/// error, because JSON cannot express it.</summary>
internal sealed class JsonReport
{
    private static readonly JsonSerializerOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JsonObject _object = [];

    public JsonReport Add(string name, double? value) => Add(name, value is { } number ? JsonValue.Create(Finite(name, number)) : null);

    public JsonReport Add(string name, long? value) => Add(name, value is { } number ? JsonValue.Create(number) : null);

    public JsonReport Add(string name, int value) => Add(name, (long)value);

    public JsonReport Add(string name, bool? value) => Add(name, value is { } known ? JsonValue.Create(known) : null);

    public JsonReport Add(string name, string? value) => Add(name, value is null ? null : JsonValue.Create(value));

    public JsonReport Add(string name, JsonReport value) => Add(name, value._object);

    public JsonReport Add(string name, IEnumerable<JsonReport> values) =>
        Add(name, new JsonArray([.. values.Select(value => value._object)]));

    public JsonReport Add(string name, IEnumerable<int> values) =>
        Add(name, new JsonArray([.. values.Select(value => JsonValue.Create(value))]));

    public JsonReport Add(string name, IEnumerable<string> values) =>
        Add(name, new JsonArray([.. values.Select(value => JsonValue.Create(value))]));

    public string ToJson() => _object.ToJsonString(OneLine);

    private static double Finite(string name, double value) => double.IsFinite(value) ? value
        : throw new RunFailedException($"{name} is {(double.IsNaN(value) ? "NaN" : "infinite")}, which is no result");

    private JsonReport Add(string name, JsonNode? value)
    {
        _object.Add(name, value);
        return this;
    }
}
