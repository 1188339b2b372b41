using System.Globalization;
using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>The value of a field of a row: text of a csv file, or any JSON value.</summary>
internal readonly struct FieldValue
{
    /// <summary>Fields of a conversation, besides its messages, that the chat template may read.</summary>
    public static readonly string[] ChatVariables = ["tools", "documents", "chat_template_kwargs"];

    private static readonly string[] Roles =
        ["system", "developer", "user", "assistant", "tool", "function", "ipython", "observation", "environment"];

    private readonly string? _text;
    private readonly JsonElement _json;

    public FieldValue(string text) => _text = text;

    public FieldValue(JsonElement json) => _json = json;

    /// <summary>Whether the value is a JSON number.</summary>
    public bool IsNumber => _text is null && _json.ValueKind == JsonValueKind.Number;

    private bool IsNull => _text is null && _json.ValueKind == JsonValueKind.Null;

    public string AsText(RowPlace place, string name) =>
        _text ?? (_json.ValueKind == JsonValueKind.String ? _json.GetString()! : throw Wrong(place, name, "a string"));

    public string AsTextOrEmpty(RowPlace place, string name) => IsNull ? "" : AsText(place, name);

    public string AsLabel(RowPlace place, string name)
    {
        string? label = _text ?? _json.ValueKind switch
        {
            JsonValueKind.String => _json.GetString(),
            JsonValueKind.Number when _json.TryGetInt32(out int number) => number.ToString(CultureInfo.InvariantCulture),
            _ => null,
        };
        return label is null or "" ? throw Wrong(place, name, "an integer or a string that is not empty") : label;
    }

    /// <summary>A label that is a number to predict.</summary>
    public double AsNumber(RowPlace place, string name)
    {
        string? text = _text ?? (_json.ValueKind == JsonValueKind.Number ? _json.GetRawText() : null);
        return text is not null && NumberText.TryFloat(text, out double number) ? number
            : throw Wrong(place, name, "a number, because labels are numbers to predict");
    }

    public int AsTask(RowPlace place, string name)
    {
        int task = -1;
        bool whole = _text is not null
            ? NumberText.TryDigits(_text, out task)
            : _json.ValueKind == JsonValueKind.Number && _json.TryGetInt32(out task);
        return whole && task >= 0 ? task : throw Wrong(place, name, "the number of a task, counted from 0");
    }

    public ChatMessage[] AsTurns(RowPlace place, string name)
    {
        if (_text is not null || _json.ValueKind != JsonValueKind.Array || _json.GetArrayLength() == 0)
        {
            throw Wrong(place, name, "a list of {\"role\", \"content\"}" +
                (IsListInText ? "; the list is written as a text, so leave out the quotes around it" : ""));
        }

        ChatMessage[] turns = [.. _json.EnumerateArray().Select(turn => AsTurn(turn, place, name))];
        return turns.Any(t => t.Role == "assistant") ? turns
            : throw place.Error($"\"{name}\" has no turn of the assistant, so there is nothing to learn from it");
    }

    /// <summary>The variables of the chat template besides the messages; null without any.</summary>
    public static Dictionary<string, JsonElement>? AsVariables(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields)
    {
        var variables = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (string name in ChatVariables.Where(fields.ContainsKey))
        {
            var value = fields[name].AsJson(place, name);
            if (name != "chat_template_kwargs")
            {
                variables[name] = value.ValueKind is JsonValueKind.Array or JsonValueKind.Null ? value
                    : throw place.Error($"\"{name}\" is {Describe(value)}, expected a list of objects");
                continue;
            }
            if (value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Null))
            {
                throw place.Error($"\"{name}\" is {Describe(value)}, expected an object from names to values");
            }

            foreach (var field in value.ValueKind == JsonValueKind.Null ? [] : value.EnumerateObject().ToArray())
            {
                if (field.Name is "messages" or "add_generation_prompt" || ChatVariables.Contains(field.Name)
                    || !variables.TryAdd(field.Name, field.Value))
                {
                    throw place.Error($"\"{name}\" names \"{field.Name}\", which the row gives the chat template itself");
                }
            }
        }
        return variables.Count == 0 ? null : variables;
    }

    /// <summary>A JSON value, which some data sets store as a string.</summary>
    public JsonElement AsJson(RowPlace place, string name)
    {
        if (_text is null && _json.ValueKind != JsonValueKind.String)
        {
            return _json.Clone();
        }

        try
        {
            using var document = StrictJson.Parse(_text ?? _json.GetString()!);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw place.Error($"\"{name}\" is a string that is not valid JSON", e);
        }
    }

    private bool IsListInText => (_text ?? (_json.ValueKind == JsonValueKind.String ? _json.GetString()! : "")).TrimStart().StartsWith('[');

    private static ChatMessage AsTurn(JsonElement turn, RowPlace place, string name)
    {
        if (turn.ValueKind != JsonValueKind.Object)
        {
            throw place.Error($"\"{name}\" holds {Describe(turn)}, expected objects with \"role\" and \"content\"");
        }

        // Values of object, because ChatMessage.Extra takes any .NET value; here they are always JsonElements.
        var others = new Dictionary<string, object?>(StringComparer.Ordinal);
        string? role = null, content = null;
        foreach (var field in turn.EnumerateObject())
        {
            if (field is { Name: "role" or "content", Value.ValueKind: JsonValueKind.String })
            {
                _ = field.Name == "role" ? role = field.Value.GetString() : content = field.Value.GetString();
            }
            else if (field.Name == "role"
                || (field.Name == "content" && field.Value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Array)))
            {
                throw place.Error(
                    $"\"{field.Name}\" of a turn in \"{name}\" is {Describe(field.Value)}, expected a " +
                    $"string{(field.Name == "role" ? "" : " or a list of parts")}");
            }
            else
            {
                others[field.Name] = field.Value.Clone();
            }
        }
        if (role is null)
        {
            throw place.Error($"a turn in \"{name}\" has no \"role\"");
        }

        bool says = content is not null || others.Any(field => field.Value is JsonElement { ValueKind: not JsonValueKind.Null });
        if (!says)
        {
            throw place.Error($"a turn in \"{name}\" has no \"content\"");
        }

        if (!Roles.Contains(role))
        {
            throw place.Error($"a turn in \"{name}\" has the role \"{role}\", expected one of {string.Join(", ", Roles)}");
        }

        string[] names = [.. turn.EnumerateObject().Select(field => field.Name)];
        return new ChatMessage(role, content ?? "") { Extra = others.Count > 0 ? others : null, FieldNames = names };
    }

    private BadInputException Wrong(RowPlace place, string name, string expected) =>
        place.Error($"\"{name}\" is {(_text is null ? Describe(_json) : _text.Length == 0 ? "empty" : "text")}, expected {expected}");

    /// <summary>A JSON value in words, for error messages.</summary>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty list" : "a list",
        _ when value.GetRawText() is { Length: > 60 } text => text[..60] + "…",
        _ => value.GetRawText(),
    };
}
