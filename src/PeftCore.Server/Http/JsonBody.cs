using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PeftCore.Server.Http;

/// <summary>Reads and writes bodies in JSON.</summary>
internal static class JsonBody
{
    private const int Depth = 64;

    private static readonly JsonWriterOptions Style = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>Reads the object of a request.</summary>
    /// <exception cref="ApiException">The body is too large, not JSON, or not an object.</exception>
    public static async Task<JsonDocument> Read(HttpRequest request)
    {
        // A page in a browser can send any other type to this machine without being asked by us; for JSON it must ask first.
        string? type = request.ContentType?.Split(';')[0].Trim();
        if (!string.Equals(type, "application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new ApiException(415, $"the body's Content-Type is {(type is null ? "missing" : $"\"{type}\"")}, expected " +
                "application/json");
        }
        var document = Parse(await Bytes(request));
        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return document;
        }
        string kind = Field.KindOf(document.RootElement);
        document.Dispose();
        throw new ApiException(400, $"the body is a JSON {kind}, expected an object");
    }

    /// <summary>Bytes of one value.</summary>
    public static ReadOnlyMemory<byte> Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer, Style))
        {
            write(writer);
        }
        return buffer.WrittenMemory;
    }

    /// <summary>Answers with one value.</summary>
    public static async Task Answer(HttpResponse response, int status, Action<Utf8JsonWriter> write)
    {
        var bytes = Write(write);
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = bytes.Length;
        await response.Body.WriteAsync(bytes, response.HttpContext.RequestAborted);
    }

    /// <summary>Writes <c>{"error": {…}}</c>, the form of OpenAI's errors.</summary>
    public static void WriteError(Utf8JsonWriter writer, ApiException error)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("error");
        writer.WriteString("message", error.Message);
        writer.WriteString("type", error.Type);
        writer.WriteString("param", error.Param);
        writer.WriteString("code", error.Code);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static async Task<byte[]> Bytes(HttpRequest request)
    {
        using var buffer = new MemoryStream((int)Math.Min(request.ContentLength ?? 0, 1 << 20));
        await request.Body.CopyToAsync(buffer, request.HttpContext.RequestAborted);
        return buffer.ToArray();
    }

    private static JsonDocument Parse(byte[] bytes)
    {
        try
        {
            return StrictJson.Parse(bytes, Depth);
        }
        catch (JsonException e)
        {
            throw new ApiException(400, $"the body is not valid JSON: {e.Message.TrimEnd('.')}");
        }
    }
}
