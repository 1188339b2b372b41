using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using PeftCore.Server.Engine;
using PeftCore.Server.Http;
using PeftCore.Server.Protocol;

namespace PeftCore.Server;

/// <summary>/v1/embeddings.</summary>
/// <param name="options">Limits.</param>
/// <param name="served">The model.</param>
/// <param name="adapters">Its adapters.</param>
/// <param name="embedder">Embeds texts.</param>
/// <param name="admission">Counts requests.</param>
internal sealed class EmbeddingEndpoint(ServerOptions options, ServedModel served, AdapterPool adapters, Embedder embedder,
    Admission admission)
{
    public async Task Embed(HttpContext context, RequestNote note)
    {
        EmbeddingRequest request;
        using (var body = await JsonBody.Read(context.Request))
        {
            request = EmbeddingRequest.Fields.Read(body.RootElement, new EmbeddingRequest());
        }
        request.Check();
        var target = ModelTarget.Of(request.Model!, served, adapters.Directories);
        note.Model = request.Model;
        using var place = admission.Enter(1);
        using var limit = new TimeLimit(options.Timeout, context.RequestAborted);
        await limit.Run(async cancel =>
        {
            using var lease = await target.Lease(adapters, cancel);
            request.CheckDimensions(embedder.Dimensions(target));
            var (vectors, tokens) = await embedder.Embed(request.Inputs, target, cancel);
            note.PromptTokens = tokens;
            await JsonBody.Answer(context.Response, StatusCodes.Status200OK, writer => Write(writer, request, vectors, tokens));
        });
    }

    private static void Write(Utf8JsonWriter writer, EmbeddingRequest request, IReadOnlyList<ReadOnlyMemory<float>> vectors, int tokens)
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        foreach (var (index, vector) in vectors.Index())
        {
            writer.WriteStartObject();
            writer.WriteString("object", "embedding");
            writer.WriteNumber("index", index);
            Write(writer, vector.Span, request.Base64);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteString("model", request.Model);
        writer.WriteStartObject("usage");
        writer.WriteNumber("prompt_tokens", tokens);
        writer.WriteNumber("total_tokens", tokens);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, ReadOnlySpan<float> vector, bool base64)
    {
        const string Name = "embedding";
        if (base64)
        {
            // Little-endian, as every processor that .NET runs on has them in memory.
            writer.WriteBase64String(Name, MemoryMarshal.AsBytes(vector));
            return;
        }
        writer.WriteStartArray(Name);
        foreach (float value in vector)
        {
            writer.WriteNumberValue(value);
        }
        writer.WriteEndArray();
    }
}
