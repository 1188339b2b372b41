using System.Text.Json;
using PeftCore.Models.Generation;

namespace PeftCore.Server.Protocol;

/// <summary>One text of an answer.</summary>
/// <param name="Index">Its index among the texts of the request.</param>
/// <param name="Text">The text.</param>
/// <param name="Reason">Why it ended.</param>
internal sealed record Choice(int Index, string Text, FinishReason Reason);

/// <summary>Numbers of tokens of a request.</summary>
internal sealed record Usage(int Prompt, int New);

/// <summary>The JSON of an answer, whole or in pieces.</summary>
/// <param name="id">The answer's identifier.</param>
/// <param name="model">The name of the model that the request gave.</param>
/// <param name="created">When the request came, in seconds since 1970.</param>
internal abstract class AnswerForm(string id, string model, long created)
{
    /// <summary>Whether each piece says that there are no numbers of tokens yet, as a stream that ends with them does.</summary>
    public bool HasUsage { get; init; }

    protected abstract string Kind { get; }

    protected abstract string PieceKind { get; }

    /// <summary>The whole answer.</summary>
    public void WriteWhole(Utf8JsonWriter writer, IEnumerable<Choice> choices, Usage usage)
    {
        Begin(writer, Kind);
        writer.WriteStartArray("choices");
        foreach (var choice in choices)
        {
            BeginChoice(writer, choice.Index);
            WriteText(writer, choice.Text);
            EndChoice(writer, NameOf(choice.Reason));
        }
        writer.WriteEndArray();
        Write(writer, usage);
        writer.WriteEndObject();
    }

    /// <summary>A piece of a text.</summary>
    /// <param name="writer">Receives the JSON.</param>
    /// <param name="index">The text's index.</param>
    /// <param name="piece">The new text.</param>
    /// <param name="isFirst">Whether it is the text's first piece.</param>
    public void WritePiece(Utf8JsonWriter writer, int index, string piece, bool isFirst) =>
        WriteChunk(writer, index, () => WriteNewText(writer, piece, isFirst), null);

    /// <summary>The end of a text.</summary>
    public void WriteEnd(Utf8JsonWriter writer, int index, FinishReason reason) =>
        WriteChunk(writer, index, () => WriteNoText(writer), NameOf(reason));

    /// <summary>The numbers of tokens, after all texts of a stream.</summary>
    public void WriteUsage(Utf8JsonWriter writer, Usage usage)
    {
        Begin(writer, PieceKind);
        writer.WriteStartArray("choices");
        writer.WriteEndArray();
        Write(writer, usage);
        writer.WriteEndObject();
    }

    protected abstract void WriteText(Utf8JsonWriter writer, string text);

    protected abstract void WriteNewText(Utf8JsonWriter writer, string piece, bool isFirst);

    protected abstract void WriteNoText(Utf8JsonWriter writer);

    private void WriteChunk(Utf8JsonWriter writer, int index, Action writeText, string? reason)
    {
        Begin(writer, PieceKind);
        writer.WriteStartArray("choices");
        BeginChoice(writer, index);
        writeText();
        EndChoice(writer, reason);
        writer.WriteEndArray();
        if (HasUsage)
        {
            writer.WriteNull("usage");
        }
        writer.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter writer, string kind)
    {
        writer.WriteStartObject();
        writer.WriteString("id", id);
        writer.WriteString("object", kind);
        writer.WriteNumber("created", created);
        writer.WriteString("model", model);
    }

    private static void BeginChoice(Utf8JsonWriter writer, int index)
    {
        writer.WriteStartObject();
        writer.WriteNumber("index", index);
    }

    private static void EndChoice(Utf8JsonWriter writer, string? reason)
    {
        writer.WriteNull("logprobs");
        writer.WriteString("finish_reason", reason);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, Usage usage)
    {
        writer.WriteStartObject("usage");
        writer.WriteNumber("prompt_tokens", usage.Prompt);
        writer.WriteNumber("completion_tokens", usage.New);
        writer.WriteNumber("total_tokens", usage.Prompt + usage.New);
        writer.WriteEndObject();
    }

    private static string NameOf(FinishReason reason) => reason is FinishReason.StopToken or FinishReason.StopString ? "stop" : "length";
}
