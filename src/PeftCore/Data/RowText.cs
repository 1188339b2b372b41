namespace PeftCore.Data;

/// <summary>Turns a row into text: joins prompts with completions, fills the instruction form, renders conversations.</summary>
internal sealed class RowText(ITextEncoder tokenizer, EncodeReport report)
{
    public SampleText Of(DataRow row) => row switch
    {
        TextRow text => new SampleText(text.Text, null, false),
        PromptRow pair => SampleText.Prompted(pair.Prompt, pair.Completion),
        InstructionRow instruction => OfInstruction(instruction),
        LabelledRow labelled => SampleText.Prompted($"{labelled.Text}\nLabel:", $" {labelled.Label}"),
        ChatRow chat => OfChat(chat.Place, chat.Turns) ?? throw chat.Place.Error(
            "the row is a conversation, but the model's tokenizer has no chat template; use rows of {\"prompt\", \"completion\"} or a model made for chat"),
        _ => throw new ArgumentException($"Rows of type {row.GetType().Name} are not encoded one by one.", nameof(row)),
    };

    // A model made for chat gets the instruction as a user's turn. Any other gets the headings that instruction data made common.
    private SampleText OfInstruction(InstructionRow row)
    {
        string question = row.Input.Length == 0 ? row.Instruction : $"{row.Instruction}\n\n{row.Input}";
        if (OfChat(row.Place, [new ChatTurn("user", question), new ChatTurn("assistant", row.Output)]) is SampleText chat)
            return chat;
        string input = row.Input.Length == 0 ? "" : $"### Input:\n{row.Input}\n\n";
        return SampleText.Prompted($"### Instruction:\n{row.Instruction}\n\n{input}### Response:\n", row.Output);
    }

    // A template does not say which part of its text is whose. A turn is what rendering the conversation up to and with it adds to
    // rendering it up to the opening of that turn.
    private SampleText? OfChat(RowPlace place, IReadOnlyList<ChatTurn> turns)
    {
        if (tokenizer.RenderChat(turns, addGenerationPrompt: false) is not string whole)
            return null;
        var learned = new List<(int, int)>();
        for (int i = 0; i < turns.Count; i++)
        {
            if (turns[i].Role != "assistant")
                continue;
            string before = tokenizer.RenderChat([.. turns.Take(i)], addGenerationPrompt: true)!;
            string after = i + 1 == turns.Count ? whole : tokenizer.RenderChat([.. turns.Take(i + 1)], addGenerationPrompt: false)!;
            if (whole.StartsWith(after, StringComparison.Ordinal) && after.StartsWith(before, StringComparison.Ordinal))
                learned.Add((SampleText.CodePoints(before), SampleText.CodePoints(after)));
            else
                report.TurnsNotFound++;
        }
        return learned.Count > 0 ? new SampleText(whole, learned, true)
            : throw place.Error("the chat template gives no text in which the assistant's turns can be told from the others");
    }
}
