using System.Globalization;

namespace PeftCore.Data;

/// <summary>Recognises a row by its fields. Every row must have exactly the fields of one form, because an unread field is usually a
/// mistake.</summary>
internal static class RowForm
{
    public const string Accepted = "{\"text\"}, {\"prompt\", \"completion\"}, {\"messages\": [{\"role\", \"content\"}]}, "
        + "{\"instruction\", \"input\", \"output\"}, {\"text\", \"label\"}, {\"text\", \"text_pair\", \"label\"}, {\"text\", \"labels\"}, "
        + "{\"tokens\", \"tags\"}, {\"question\", \"context\", \"answers\"}, {\"source\", \"target\"}, {\"text\", \"positive\"}, "
        + "{\"file_name\", \"text\"}, {\"file_name\", \"label\"} or {\"words\", \"boxes\", \"tags\"}";

    private const string Task = "task_id";

    private static readonly string[][] Forms =
        [["text"], ["prompt", "completion"], [.. FieldValue.ChatVariables, "messages"], ["instruction", "input", "output"],
            ["text", "text_pair", "label"], ["text", "text_pair", "labels"], ["tokens", "tags"],
            ["question", "context", "answers"], ["question", "context", "answer"], ["source", "target"], ["text", "negative", "positive"],
            ["words", "boxes", "tags"], .. MediaRow.PathFields.Select(path => (string[])[path, "words", "boxes", "tags"]),
            ["tokens"], ["words", "boxes"], .. MediaRow.PathFields.Select(path => (string[])[path, "words", "boxes"]),
            .. MediaRow.PathFields.SelectMany(path => (string[][])[["text", path], ["label", path]])];

    private static readonly string[] Optional = ["input", "text_pair", "negative", .. FieldValue.ChatVariables];

    /// <summary>The names of all fields.</summary>
    public static IEnumerable<string> Names => Forms.SelectMany(form => form).Concat(WordFields.Names).Append(Task).Distinct();

    /// <summary>The error for field names that fit no form; null if they fit one.</summary>
    public static string? ProblemOf(IReadOnlyCollection<string> names)
    {
        names = WordFields.Named(names);
        return Forms.Any(form => Fits(form, names)) ? null : Problem([.. names.Where(name => name != Task)]);
    }

    /// <summary>Whether some form has a field of this name.</summary>
    public static bool IsField(string name) => name == Task || WordFields.Names.Contains(name) || Forms.Any(form => form.Contains(name));

    /// <summary>The fields of a row's form.</summary>
    public static string NameOf(DataRow row) => row switch
    {
        LabelledRow { Pair: not null } => "\"text\", \"text_pair\" and \"label\"",
        LabelledRow => "\"text\" and \"label\"",
        LabelsRow => "\"text\" and \"labels\"",
        TokensRow { Boxes: not null, Tags.Count: 0 } => "\"words\" and \"boxes\" without \"tags\"",
        TokensRow { Tags.Count: 0 } => "\"tokens\" without \"tags\"",
        TokensRow { Boxes: not null } => "\"words\", \"boxes\" and \"tags\"",
        TokensRow => "\"tokens\" and \"tags\"",
        QuestionRow => "\"question\", \"context\" and \"answers\"",
        SourceRow => "\"source\" and \"target\"",
        MediaRow { Text: not null } => "\"file_name\" and \"text\"",
        MediaRow => "\"file_name\" and \"label\"",
        ContrastRow => "\"text\" and \"positive\"",
        PromptRow => "\"prompt\" and \"completion\"",
        ChatRow => "\"messages\"",
        InstructionRow => "\"instruction\" and \"output\"",
        _ => "\"text\" alone",
    };

    public static DataRow Read(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields, ReadOptions options)
    {
        fields = WordFields.Named(place, fields);
        string[] names = [.. fields.Keys];
        if (ProblemOf(names) is { } problem)
        {
            throw place.Error(problem + options.Dropped(problem));
        }

        string Text(string name) => fields[name].AsText(place, name);
        DataRow row = Forms.First(form => Fits(form, names))[^1] switch
        {
            "text" => new TextRow(place, Text("text")),
            "label" => Labelled(place, fields, options),
            "labels" => TaskFields.Labelled(place, Text("text"), fields.ContainsKey("text_pair") ? Text("text_pair") : null,
                fields["labels"]),
            "boxes" => BoxFields.Boxed(place, fields),
            "tags" when fields.ContainsKey("words") => BoxFields.Boxed(place, fields),
            "tags" or "tokens" => TaskFields.Tagged(place, fields, "tokens"),
            "answers" => new QuestionRow(place, Text("question"), Text("context"),
                TaskFields.Answers(place, fields["answers"], Text("context"))),
            "answer" => TaskFields.Found(place, Text("question"), Text("context"), Text("answer")),
            var path when MediaRow.PathFields.Contains(path) => MediaRow.Of(place, Text(path),
                fields.TryGetValue("text", out var words) ? words.AsText(place, "text") : null,
                fields.TryGetValue("label", out var label) ? label.AsLabel(place, "label") : null),
            "target" => new SourceRow(place, Text("source"), Text("target")),
            "positive" => new ContrastRow(place, Text("text"), Text("positive"), fields.ContainsKey("negative") ? Text("negative") : null),
            "completion" => new PromptRow(place, Text("prompt"), Text("completion")),
            "messages" => new ChatRow(place, fields["messages"].AsTurns(place, "messages"))
            {
                Variables = FieldValue.AsVariables(place,
                fields)
            },
            _ => new InstructionRow(place, Text("instruction"),
                fields.TryGetValue("input", out var input) ? input.AsTextOrEmpty(place, "input") : "", Text("output")),
        };
        return fields.TryGetValue(Task, out var task) ? row with { TaskId = task.AsTask(place, Task) } : row;
    }

    private static LabelledRow Labelled(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields, ReadOptions options)
    {
        var label = fields["label"];
        double? value = options.NumberLabels ? label.AsNumber(place, "label") : null;
        string name = value?.ToString(CultureInfo.InvariantCulture) ?? label.AsLabel(place, "label");
        return new LabelledRow(place, fields["text"].AsText(place, "text"), name)
        {
            Value = value,
            Pair = fields.TryGetValue("text_pair", out var pair) ? pair.AsText(place, "text_pair") : null,
        };
    }

    // An instruction's input is optional, and a row of any form may have a task.
    private static bool Fits(string[] form, IReadOnlyCollection<string> names) =>
        form.All(field => Optional.Contains(field) || names.Contains(field)) && names.All(name => name == Task || form.Contains(name));

    // The error names the form that shares the most fields with the row.
    private static string Problem(string[] found)
    {
        if (found.Length == 0)
        {
            return $"the row has no fields, expected {Accepted}";
        }

        string[] meant = Forms.OrderByDescending(f => f.Intersect(found).Count()).ThenBy(f => f.Except(found).Except(Optional).Count())
            .First();
        string? unknown = found.Except(meant).FirstOrDefault();
        string? missing = meant.Except(found).FirstOrDefault(f => !Optional.Contains(f));
        return unknown is not null ? $"the field \"{Short(unknown)}\" does not belong here, expected {Accepted}"
            : $"the field \"{missing}\" is missing, expected {Accepted}";
    }

    private static string Short(string name) => name.Length > 60 ? name[..60] + "…" : name;
}
