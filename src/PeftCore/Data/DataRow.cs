using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>One row of training data, before tokenization.</summary>
/// <param name="Place">File and line, for error messages.</param>
public abstract record DataRow(RowPlace Place)
{
    /// <summary>The task, from 0, for adapters with several tasks: the field {"task_id"} of a row of any form. Null without one.</summary>
    public int? TaskId { get; init; }
}

/// <summary>A text of which every token is learned: {"text"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
public sealed record TextRow(RowPlace Place, string Text) : DataRow(Place);

/// <summary>A long text that is cut into blocks: a .txt file.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
public sealed record DocumentRow(RowPlace Place, string Text) : DataRow(Place);

/// <summary>A prompt and its completion: {"prompt", "completion"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Prompt">The prompt.</param>
/// <param name="Completion">The completion.</param>
public sealed record PromptRow(RowPlace Place, string Prompt, string Completion) : DataRow(Place);

/// <summary>A conversation: {"messages": [{"role", "content"}]}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Turns">The turns, in order.</param>
public sealed record ChatRow(RowPlace Place, IReadOnlyList<ChatMessage> Turns) : DataRow(Place)
{
    /// <summary>Other variables of the chat template, by name: {"tools"}, {"documents"}, and the fields of {"chat_template_kwargs"}. Null
    /// without any.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }
}

/// <summary>An instruction, its input and its answer: Alpaca's {"instruction", "input", "output"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Instruction">The instruction.</param>
/// <param name="Input">The input; empty without one.</param>
/// <param name="Output">The answer.</param>
public sealed record InstructionRow(RowPlace Place, string Instruction, string Input, string Output) : DataRow(Place);

/// <summary>A text and its class: {"text", "label"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
/// <param name="Label">The name of its class; a number's name is its digits.</param>
public sealed record LabelledRow(RowPlace Place, string Text, string Label) : DataRow(Place);
