using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>One row of training data as it was read, before a tokenizer has seen it.</summary>
/// <param name="Place">Where it stands.</param>
public abstract record DataRow(RowPlace Place)
{
    /// <summary>The task it belongs to, counted from 0, for adapters that have several: {"task_id"}, beside the fields of any form. Null if
    /// it names none.</summary>
    public int? TaskId { get; init; }
}

/// <summary>A text to model as a whole: {"text"}.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Text">The text.</param>
public sealed record TextRow(RowPlace Place, string Text) : DataRow(Place);

/// <summary>A long running text, to be cut into blocks: a .txt file.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Text">The text.</param>
public sealed record DocumentRow(RowPlace Place, string Text) : DataRow(Place);

/// <summary>A prompt and what should follow it: {"prompt", "completion"}.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Prompt">What is given.</param>
/// <param name="Completion">What the model should write after it.</param>
public sealed record PromptRow(RowPlace Place, string Prompt, string Completion) : DataRow(Place);

/// <summary>A conversation: {"messages": [{"role", "content"}]}.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Turns">What was said, in order.</param>
public sealed record ChatRow(RowPlace Place, IReadOnlyList<ChatMessage> Turns) : DataRow(Place)
{
    /// <summary>What else the chat template reads, by its name there: {"tools"}, {"documents"}, and the fields of {"chat_template_kwargs"}.
    /// Null if the row has none of these.</summary>
    public IReadOnlyDictionary<string, object?>? Variables { get; init; }
}

/// <summary>An instruction, what it applies to, and the answer: Alpaca's {"instruction", "input", "output"}.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Instruction">What is asked.</param>
/// <param name="Input">What it applies to; empty if there is nothing.</param>
/// <param name="Output">The answer.</param>
public sealed record InstructionRow(RowPlace Place, string Instruction, string Input, string Output) : DataRow(Place);

/// <summary>A text and its class: {"text", "label"}.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Text">The text.</param>
/// <param name="Label">The name of its class; a number is its own name.</param>
public sealed record LabelledRow(RowPlace Place, string Text, string Label) : DataRow(Place);
