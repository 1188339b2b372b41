using System.Text.Json;

namespace PeftCore.Server.Protocol;

/// <summary>The JSON of a chat completion.</summary>
internal sealed class ChatForm(string id, string model, long created) : AnswerForm(id, model, created)
{
    private const string Role = "assistant";

    protected override string Kind => "chat.completion";

    protected override string PieceKind => "chat.completion.chunk";

    protected override void WriteText(Utf8JsonWriter writer, string text)
    {
        writer.WriteStartObject("message");
        writer.WriteString("role", Role);
        writer.WriteString("content", text);
        writer.WriteNull("refusal");
        writer.WriteEndObject();
    }

    protected override void WriteNewText(Utf8JsonWriter writer, string piece, bool isFirst)
    {
        writer.WriteStartObject("delta");
        if (isFirst)
        {
            writer.WriteString("role", Role);
        }
        writer.WriteString("content", piece);
        writer.WriteEndObject();
    }

    protected override void WriteNoText(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("delta");
        writer.WriteEndObject();
    }
}
