using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>One row of training data, before tokenization.</summary>
/// <example>
/// <code>
/// var rows = new List&lt;DataRow>
/// {
///     DataRow.OfPrompt("Where does the ferry leave?\n", "From the north pier."),
///     DataRow.OfText("The ferry leaves from the north pier."),
/// };
/// Console.WriteLine(rows.Count(row => row.HasPrompt)); // 1
/// </code>
/// </example>
public abstract record DataRow
{
    private static readonly RowPlace InMemory = new("rows in memory", 1);

    private protected DataRow(RowPlace place) => Place = place;

    /// <summary>A text to learn as a whole.</summary>
    public static DataRow OfText(string text) => new TextRow(InMemory, text);

    /// <summary>A prompt and the completion to learn.</summary>
    public static DataRow OfPrompt(string prompt, string completion) => new PromptRow(InMemory, prompt, completion);

    /// <summary>A conversation whose assistant turns are to be learned.</summary>
    public static DataRow OfChat(IReadOnlyList<ChatMessage> turns) => new ChatRow(InMemory, turns);

    /// <summary>A text and the name of its class.</summary>
    internal static DataRow OfLabel(string text, string label) => new LabelledRow(InMemory, text, label);

    /// <summary>A text and the names of its classes, of which there may be several or none.</summary>
    internal static DataRow OfLabels(string text, IReadOnlyList<string> labels) => new LabelsRow(InMemory, text, labels);

    /// <summary>Whether the row is a text with a list of classes.</summary>
    public bool HasLabels => this is LabelsRow;

    /// <summary>Whether the row is a text with the name of its class.</summary>
    public bool HasLabel => this is LabelledRow;

    /// <summary>Whether the row has a given part and a part to learn; plain texts do not.</summary>
    public bool HasPrompt => this is not (TextRow or DocumentRow);

    /// <summary>Whether the row is a running text that is cut into blocks.</summary>
    public bool IsDocument => this is DocumentRow;

    /// <summary>The prompt and the completion of a row of that form; null for others.</summary>
    public (string Prompt, string Completion)? PromptAndCompletion => this is PromptRow row ? (row.Prompt, row.Completion) : null;

    internal RowPlace Place { get; init; }

    /// <summary>Index of the row's task, from 0, for multitask adapters: {"task_id"}, in addition to the fields of any form. Null if the
    /// row has none.</summary>
    public int? TaskId { get; init; }
}

/// <summary>A text of which every token is learned: {"text"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
internal sealed record TextRow(RowPlace Place, string Text) : DataRow(Place);

/// <summary>A long text that is cut into blocks: a .txt file.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
internal sealed record DocumentRow(RowPlace Place, string Text) : DataRow(Place);

/// <summary>A prompt and its completion: {"prompt", "completion"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Prompt">The given text.</param>
/// <param name="Completion">The text to learn.</param>
internal sealed record PromptRow(RowPlace Place, string Prompt, string Completion) : DataRow(Place);

/// <summary>A conversation: {"messages": [{"role", "content"}]}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Turns">The messages in order.</param>
internal sealed record ChatRow(RowPlace Place, IReadOnlyList<ChatMessage> Turns) : DataRow(Place)
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
internal sealed record InstructionRow(RowPlace Place, string Instruction, string Input, string Output) : DataRow(Place);

/// <summary>A text, or a pair of texts, and its class: {"text", "label"}, optionally "text_pair".</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
/// <param name="Label">The name of its class; a number is its own name.</param>
internal sealed record LabelledRow(RowPlace Place, string Text, string Label) : DataRow(Place)
{
    /// <summary>The second text of a pair: {"text", "text_pair", "label"}. Null for one text.</summary>
    public string? Pair { get; init; }

    /// <summary>The label as a number to predict (regression); null if it is a class.</summary>
    public double? Value { get; init; }

    /// <summary>The names of all classes in the order of their numbers; null if the data do not say.</summary>
    public IReadOnlyList<string>? ClassNames { get; init; }
}

/// <summary>A text, or a pair of texts, and any number of classes: {"text", "labels"}, optionally "text_pair".</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The text.</param>
/// <param name="Labels">The names of its classes.</param>
internal sealed record LabelsRow(RowPlace Place, string Text, IReadOnlyList<string> Labels) : DataRow(Place)
{
    /// <summary>The second text of a pair; null for one text.</summary>
    public string? Pair { get; init; }

    /// <summary>0 or 1 for each class, if the row has these instead of names; otherwise null.</summary>
    public IReadOnlyList<float>? Values { get; init; }

    /// <summary>The names of all classes in the order of their numbers; null if the data do not say.</summary>
    public IReadOnlyList<string>? ClassNames { get; init; }
}
