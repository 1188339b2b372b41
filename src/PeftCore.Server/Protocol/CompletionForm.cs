using System.Text.Json;

namespace PeftCore.Server.Protocol;

/// <summary>The JSON of a text completion.</summary>
internal sealed class CompletionForm(string id, string model, long created) : AnswerForm(id, model, created)
{
    protected override string Kind => "text_completion";

    protected override string PieceKind => Kind;

    protected override void WriteText(Utf8JsonWriter writer, string text) => writer.WriteString("text", text);

    protected override void WriteNewText(Utf8JsonWriter writer, string piece, bool isFirst) => WriteText(writer, piece);

    protected override void WriteNoText(Utf8JsonWriter writer) => WriteText(writer, "");
}
