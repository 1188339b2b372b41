using System.Globalization;
using System.Text.Json;

namespace PeftCore.Data;

/// <summary>Reads the fields of rows for token classification, several classes and question answering: lists of words and tags, lists of
/// classes, answers in a context.</summary>
internal static class TaskFields
{
    private const string AnswersForm = "{\"text\": [texts], \"answer_start\": [positions]}";

    /// <summary>Words and one tag for each, names or class numbers; or words without tags.</summary>
    /// <param name="place">File and line, for error messages.</param>
    /// <param name="fields">The fields of the row.</param>
    /// <param name="name">The name of the field with the words.</param>
    public static TokensRow Tagged(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields, string name)
    {
        string[] words = [.. Items(place, name, fields[name], "a list of words").Select(item => item.ValueKind == JsonValueKind.String
            ? item.GetString()! : throw place.Error($"\"{name}\" holds {FieldValue.Describe(item)}, expected words"))];
        if (!fields.TryGetValue("tags", out var tags))
        {
            return new TokensRow(place, words, []);
        }
        var items = Items(place, "tags", tags, "a list of tags");
        if (items.Length != words.Length)
        {
            throw place.Error($"\"{name}\" has {words.Length} words and \"tags\" has {items.Length} tags, expected one tag for each word");
        }
        if (items.Select(item => item.ValueKind).Distinct().Count() > 1)
        {
            throw place.Error("\"tags\" holds values of different types; write all tags as names or all as class numbers");
        }
        return new TokensRow(place, words, [.. items.Select(item => Tag(place, item))]);
    }

    /// <summary>A text and its classes: a list of names, or of 0 and 1 for each class.</summary>
    public static LabelsRow Labelled(RowPlace place, string text, string? pair, FieldValue labels)
    {
        const string Expected = "a list of the names of its classes, or of 0 and 1 for each class";
        var json = labels.AsJson(place, "labels");
        JsonElement[] items = json.ValueKind == JsonValueKind.Array ? [.. json.EnumerateArray()]
            : throw place.Error($"\"labels\" is {FieldValue.Describe(json)}, expected {Expected}; a text with one class has \"label\"");
        if (items.Select(item => item.ValueKind).Distinct().Count() > 1)
        {
            throw place.Error($"\"labels\" holds values of different types, expected {Expected}");
        }
        if (items is [{ ValueKind: JsonValueKind.Number }, ..])
        {
            return new LabelsRow(place, text, []) { Pair = pair, Values = [.. items.Select(Flag)] };
        }
        string[] names = [.. items.Select(item => item is { ValueKind: JsonValueKind.String } && item.GetString() is { Length: > 0 } name
            ? name : throw place.Error($"\"labels\" holds {FieldValue.Describe(item)}, expected {Expected}"))];
        return names.Distinct().Count() == names.Length ? new LabelsRow(place, text, names) { Pair = pair }
            : throw place.Error($"\"labels\" names \"{names.GroupBy(name => name).First(group => group.Count() > 1).Key}\" twice");

        float Flag(JsonElement item) => item.GetDouble() is 0 or 1 ? (float)item.GetDouble() : throw place.Error(
            $"\"labels\" holds the number {FieldValue.Describe(item)}, expected 0 or 1 for each class; write class numbers as texts");
    }

    /// <summary>The answers of SQuAD, each checked against the context.</summary>
    public static List<AnswerSpan> Answers(RowPlace place, FieldValue value, string context)
    {
        var json = value.AsJson(place, "answers");
        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("text", out var texts)
            || !json.TryGetProperty("answer_start", out var starts) || json.GetPropertyCount() != 2
            || texts.ValueKind != JsonValueKind.Array || starts.ValueKind != JsonValueKind.Array)
        {
            throw place.Error($"\"answers\" is {FieldValue.Describe(json)}, expected {AnswersForm}");
        }
        if (texts.GetArrayLength() != starts.GetArrayLength())
        {
            throw place.Error($"\"answers\" has {texts.GetArrayLength()} texts and {starts.GetArrayLength()} positions, expected one "
                + "position for each text");
        }
        return [.. texts.EnumerateArray().Zip(starts.EnumerateArray(), (text, start) => Checked(place, text, start, context))];
    }

    /// <summary>The first place of an answer in the context.</summary>
    public static QuestionRow Found(RowPlace place, string question, string context, string answer)
    {
        if (answer.Length == 0)
        {
            throw place.Error("\"answer\" is empty, expected a part of the context; a question without an answer has " +
                "\"answers\": {\"text\": [], \"answer_start\": []}");
        }
        int at = context.IndexOf(answer, StringComparison.Ordinal);
        if (at < 0)
        {
            throw place.Error($"the answer \"{Short(answer)}\" is not in the context, expected a part of it, letter by letter");
        }
        var span = new AnswerSpan(answer, SampleText.CodePoints(context.AsSpan(0, at)));
        return new QuestionRow(place, question, context, [span])
        {
            SeveralPlaces = context.IndexOf(answer, at + 1, StringComparison.Ordinal) >= 0,
        };
    }

    private static AnswerSpan Checked(RowPlace place, JsonElement text, JsonElement start, string context)
    {
        if (text.ValueKind != JsonValueKind.String || start.ValueKind != JsonValueKind.Number || !start.TryGetInt32(out int at) || at < 0)
        {
            throw place.Error($"\"answers\" holds {FieldValue.Describe(text)} at {FieldValue.Describe(start)}, expected a text and its "
                + "position in the context, counted from 0");
        }
        string answer = text.GetString()!;
        if (answer.Length > 0 && context.AsSpan(Utf16Index(context, at)).StartsWith(answer, StringComparison.Ordinal))
        {
            return new AnswerSpan(answer, at);
        }
        int other = answer.Length == 0 ? -1 : context.IndexOf(answer, StringComparison.Ordinal);
        string hint = other < 0 ? ", expected a part of the context"
            : $"; it is at {SampleText.CodePoints(context.AsSpan(0, other))} (characters are counted as Unicode code points)";
        throw place.Error($"the answer \"{Short(answer)}\" is not at \"answer_start\" {at} of the context{hint}");
    }

    /// <summary>The index in UTF-16 of a position in code points; the length of the text for a position after its end.</summary>
    public static int Utf16Index(string text, int codePoint)
    {
        int index = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (codePoint-- == 0)
            {
                return index;
            }
            index += rune.Utf16SequenceLength;
        }
        return text.Length;
    }

    private static string Tag(RowPlace place, JsonElement tag) => tag.ValueKind switch
    {
        JsonValueKind.String when tag.GetString() is { Length: > 0 } name => name,
        JsonValueKind.Number when tag.TryGetInt32(out int number) && number >= 0 => number.ToString(CultureInfo.InvariantCulture),
        _ => throw place.Error($"\"tags\" holds {FieldValue.Describe(tag)}, expected names of tags or class numbers from 0"),
    };

    internal static JsonElement[] Items(RowPlace place, string name, FieldValue value, string expected)
    {
        var json = value.AsJson(place, name);
        return json.ValueKind == JsonValueKind.Array && json.GetArrayLength() > 0 ? [.. json.EnumerateArray()]
            : throw place.Error($"\"{name}\" is {FieldValue.Describe(json)}, expected {expected}");
    }

    private static string Short(string text) => text.Length > 60 ? text[..60] + "…" : text;
}
