using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Turns a row into text: joins prompt and completion, fills the instruction template, renders conversations.</summary>
internal sealed class RowText(ITextEncoder tokenizer, bool maskPrompt, EncodeReport report)
{
    public SampleText Of(DataRow row) => row switch
    {
        TextRow text => new SampleText(text.Text, null, false),
        PromptRow pair => SampleText.Prompted(pair.Prompt, pair.Completion),
        InstructionRow instruction => OfInstruction(instruction),
        LabelledRow { Pair: { } pair } labelled => SampleText.Prompted($"{labelled.Text}\n{pair}\nLabel:", $" {labelled.Label}"),
        LabelledRow labelled => SampleText.Prompted($"{labelled.Text}\nLabel:", $" {labelled.Label}"),
        ChatRow chat => OfChat(chat.Place, chat.Turns, chat.Variables) ?? throw chat.Place.Error(
            "the row is a conversation, but the model's tokenizer has no chat template; use rows of {\"prompt\", \"completion\"} or a " +
            "model made for chat"),
        DocumentRow => throw new ArgumentException("A document is not encoded as one sample.", nameof(row)),
        _ => throw row.Place.Error($"a row with {RowForm.NameOf(row)} is not for a causal language model, which learns texts; expected "
            + "{\"text\"}, {\"prompt\", \"completion\"}, {\"messages\"}, {\"instruction\", \"output\"} or {\"text\", \"label\"}, which "
            + "--fields makes of other names"),
    };

    // With a chat template the instruction is a user's turn; otherwise Alpaca's headings are used.
    private SampleText OfInstruction(InstructionRow row)
    {
        string question = row.Input.Length == 0 ? row.Instruction : $"{row.Instruction}\n\n{row.Input}";
        if (OfChat(row.Place, [new ChatMessage("user", question), new ChatMessage("assistant", row.Output)]) is SampleText chat)
        {
            return chat;
        }

        string input = row.Input.Length == 0 ? "" : $"### Input:\n{row.Input}\n\n";
        return SampleText.Prompted($"### Instruction:\n{row.Instruction}\n\n{input}### Response:\n", row.Output);
    }

    private SampleText? OfChat(RowPlace place, IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables = null)
    {
        RenderedChat? chat;
        try
        {
            chat = tokenizer.RenderChat(turns, variables, marked: maskPrompt);
        }
        catch (BadInputException e)
        {
            throw place.Error(e.Message.TrimEnd('.'), e); // Templates reject some conversations, such as two turns of the user in a row.
        }
        if (chat is null)
        {
            return null;
        }

        CountUnread(turns, variables, chat.Text);
        if (!maskPrompt)
        {
            return new SampleText(chat.Text, [], true);
        }

        report.TurnsNotFound += Math.Max(0, turns.Count(t => t.Role == "assistant") - chat.AssistantSpans.Count);
        return chat.AssistantSpans.Count > 0 ? new SampleText(chat.Text, [.. chat.AssistantSpans.Select(s => (s.Start, s.End))], true)
            : throw place.Error(
            "in the text that the chat template makes, the assistant's turns cannot be told from the others; mark them in the template " +
            "with "
                + "{% generation %} and {% endgeneration %}, choose another (--chat-template), or learn from whole conversations " +
                "(--mask-prompt false)");
    }

    /// <summary>Counts fields that do not change the text, which the template does not read.</summary>
    private void CountUnread(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables, string text)
    {
        foreach (string name in variables?.Keys.Where(name => HasValue(variables[name])) ?? [])
        {
            CountIfSame(name, turns, variables!.Where(v => v.Key != name).ToDictionary(v => v.Key, v => v.Value), text);
        }

        foreach (string name in turns.SelectMany(turn => turn.Extra?.Where(f => f.Key != "content" && HasValue(f.Value)).Select(f => f.Key)
            ?? []).Distinct())
        {
            CountIfSame(name, [.. turns.Select(turn => turn.WithoutField(name))],
                variables, text);
        }
    }

    /// <summary>Whether a value is neither null nor an empty list. Extra fields of a message may be any .NET value, as in the tokenizer's
    /// own API.</summary>
    private static bool HasValue(object? value) => value switch
    {
        null => false,
        JsonElement json => HasValue(json),
        _ => true,
    };

    private static bool HasValue(JsonElement json) =>
        json.ValueKind != JsonValueKind.Null && (json.ValueKind != JsonValueKind.Array || json.GetArrayLength() > 0);

    private void CountIfSame(string name, IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables,
        string text)
    {
        try
        {
            if (tokenizer.RenderChat(turns, variables, marked: false)?.Text == text)
            {
                report.Unread[name] = report.Unread.GetValueOrDefault(name) + 1;
            }
        }
        catch (BadInputException)
        {
            // A template that fails without the field reads it.
        }
    }
}
