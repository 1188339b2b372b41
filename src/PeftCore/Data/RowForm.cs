namespace PeftCore.Data;

/// <summary>Recognises a row by its fields. Every row must have exactly the fields of one form, because an unread field is usually a
/// mistake.</summary>
internal static class RowForm
{
    public const string Accepted = "{\"text\"}, {\"prompt\", \"completion\"}, {\"messages\": [{\"role\", \"content\"}]}, "
        + "{\"instruction\", \"input\", \"output\"} or {\"text\", \"label\"}";

    private const string Task = "task_id";

    private static readonly string[][] Forms =
        [["text"], ["prompt", "completion"], [.. FieldValue.ChatVariables, "messages"], ["instruction", "input", "output"],
            ["text", "label"]];

    private static readonly string[] Optional = ["input", .. FieldValue.ChatVariables];

    /// <summary>The error for field names that fit no form; null if they fit one.</summary>
    public static string? ProblemOf(IReadOnlyCollection<string> names) =>
        Forms.Any(form => Fits(form, names)) ? null : Problem([.. names.Where(name => name != Task)]);

    /// <summary>Whether some form has a field of this name.</summary>
    public static bool IsField(string name) => name == Task || Forms.Any(form => form.Contains(name));

    /// <summary>The fields of a row's form.</summary>
    public static string NameOf(DataRow row) => row switch
    {
        LabelledRow => "\"text\" and \"label\"",
        PromptRow => "\"prompt\" and \"completion\"",
        ChatRow => "\"messages\"",
        InstructionRow => "\"instruction\" and \"output\"",
        _ => "\"text\" alone",
    };

    public static DataRow Read(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields)
    {
        string[] names = [.. fields.Keys];
        if (ProblemOf(names) is { } problem)
        {
            throw place.Error(problem);
        }

        string Text(string name) => fields[name].AsText(place, name);
        DataRow row = Forms.First(form => Fits(form, names))[^1] switch
        {
            "text" => new TextRow(place, Text("text")),
            "label" => new LabelledRow(place, Text("text"), fields["label"].AsLabel(place, "label")),
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
