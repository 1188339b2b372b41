namespace PeftCore.Data;

/// <summary>Finds rows that are in two splits of a data set: an evaluation on training rows does not measure generalisation.</summary>
internal static class SharedRows
{
    /// <summary>Adds a warning for each pair of splits that share rows.</summary>
    public static void Warn(DataSplits splits, ICollection<string>? warnings)
    {
        if (warnings is null)
        {
            return;
        }
        Warn(splits, ("training", splits.Train), ("validation", splits.Validation), warnings);
        Warn(splits, ("training", splits.Train), ("test", splits.Test), warnings);
    }

    private static void Warn(DataSplits splits, (string Name, IReadOnlyList<DataRow>? Rows) learned,
        (string Name, IReadOnlyList<DataRow>? Rows) held, ICollection<string> warnings)
    {
        if (learned.Rows is null || held.Rows is null)
        {
            return;
        }
        var known = learned.Rows.Select(KeyOf).ToHashSet();
        int shared = held.Rows.Count(row => known.Contains(KeyOf(row)));
        if (shared > 0)
        {
            warnings.Add($"{splits.Path}: {(shared == held.Rows.Count ? $"all {shared}" : $"{shared} of " +
                $"{held.Rows.Count}")} {held.Name} rows are {learned.Name} rows too; "
                + "a loss on them does not tell how the model does on new data.");
        }
    }

    /// <summary>The content that two equal rows share.</summary>
    private static string KeyOf(DataRow row) => row switch
    {
        TextRow text => Joined("text", text.Text),
        DocumentRow document => Joined("document", document.Text),
        PromptRow pair => Joined("prompt", pair.Prompt, pair.Completion),
        InstructionRow instruction => Joined("instruction", instruction.Instruction, instruction.Input, instruction.Output),
        LabelsRow several => Joined(["labels", .. several.Labels, .. several.Values?.Select(value => value == 0 ? "0" : "1") ?? [],
            several.Text, several.Pair ?? ""]),
        LabelledRow { Pair: { } pair } labelled => Joined("pair", labelled.Label, labelled.Text, pair),
        LabelledRow labelled => Joined("label", labelled.Label, labelled.Text),
        TokensRow tagged => Joined(["tokens", .. tagged.Tokens, .. tagged.Tags]),
        QuestionRow question => Joined("question", question.Question, question.Context),
        SourceRow pair => Joined("source", pair.Source, pair.Target),
        MediaRow media => Joined("media", Path.GetFullPath(media.File)),
        ContrastRow texts => Joined("positive", texts.Text, texts.Positive, texts.Negative ?? ""),
        ChatRow chat => Joined(["messages", .. chat.Turns.SelectMany(turn => new[] { turn.Role, turn.Content })]),
        _ => throw new ArgumentException($"Rows of type {row.GetType().Name} are not compared.", nameof(row)),
    };

    private static string Joined(params string[] parts) => string.Join('\0', parts);
}
