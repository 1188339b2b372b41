using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>The value of a field of a row: text from a csv file, or anything from a JSON object.</summary>
internal readonly struct FieldValue
{
    private const string Roles = "\"system\", \"user\" or \"assistant\"";
    private readonly string? _text;
    private readonly JsonElement _json;

    public FieldValue(string text) => _text = text;

    public FieldValue(JsonElement json) => _json = json;

    private bool IsNull => _text is null && _json.ValueKind == JsonValueKind.Null;

    public string AsText(RowPlace place, string name) =>
        _text ?? (_json.ValueKind == JsonValueKind.String ? _json.GetString()! : throw Wrong(place, name, "a string"));

    public string AsTextOrEmpty(RowPlace place, string name) => IsNull ? "" : AsText(place, name);

    public string AsLabel(RowPlace place, string name)
    {
        string? label = _text ?? _json.ValueKind switch
        {
            JsonValueKind.String => _json.GetString(),
            JsonValueKind.Number when _json.TryGetInt32(out int number) => $"{number}",
            _ => null,
        };
        return label is null or "" ? throw Wrong(place, name, "an integer or a string that is not empty") : label;
    }

    public int AsTask(RowPlace place, string name)
    {
        int task = -1;
        bool whole = _text is not null
            ? int.TryParse(_text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out task)
            : _json.ValueKind == JsonValueKind.Number && _json.TryGetInt32(out task);
        return whole && task >= 0 ? task : throw Wrong(place, name, "the number of a task, counted from 0");
    }

    public ChatMessage[] AsTurns(RowPlace place, string name)
    {
        if (_text is not null || _json.ValueKind != JsonValueKind.Array || _json.GetArrayLength() == 0)
            throw Wrong(place, name, "a list of {\"role\", \"content\"}");
        ChatMessage[] turns = [.. _json.EnumerateArray().Select(turn => AsTurn(turn, place, name))];
        return turns.Any(t => t.Role == "assistant") ? turns
            : throw place.Error($"\"{name}\" has no turn of the assistant, so there is nothing to learn from it");
    }

    private static ChatMessage AsTurn(JsonElement turn, RowPlace place, string name)
    {
        if (turn.ValueKind != JsonValueKind.Object)
            throw place.Error($"\"{name}\" holds {Describe(turn)}, expected objects with \"role\" and \"content\"");
        string? role = null, content = null;
        foreach (JsonProperty field in turn.EnumerateObject())
        {
            if (field.Name is not ("role" or "content"))
                throw place.Error($"a turn in \"{name}\" has the unknown field \"{field.Name}\", expected \"role\" and \"content\"");
            if (field.Value.ValueKind != JsonValueKind.String)
                throw place.Error($"\"{field.Name}\" of a turn in \"{name}\" is {Describe(field.Value)}, expected a string");
            if (field.Name == "role")
                role = field.Value.GetString();
            else
                content = field.Value.GetString();
        }
        if (role is null || content is null)
            throw place.Error($"a turn in \"{name}\" has no \"{(role is null ? "role" : "content")}\"");
        return role is "system" or "user" or "assistant" ? new ChatMessage(role, content)
            : throw place.Error($"a turn in \"{name}\" has the role \"{role}\", expected {Roles}");
    }

    private BadInputException Wrong(RowPlace place, string name, string expected) =>
        place.Error($"\"{name}\" is {(_text is null ? Describe(_json) : _text.Length == 0 ? "empty" : "text")}, expected {expected}");

    private static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty list" : "a list",
        _ when value.GetRawText() is { Length: > 60 } text => text[..60] + "…",
        _ => value.GetRawText(),
    };
}
