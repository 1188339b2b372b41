using System.Text.Json;
using Microsoft.AspNetCore.Http;
using PeftCore.Server.Engine;
using PeftCore.Server.Http;

namespace PeftCore.Server;

/// <summary>The endpoints that say what is served, and whether it is.</summary>
internal sealed class ModelEndpoints(ServedModel served, AdapterPool adapters, Admission admission)
{
    public const string Path = "/v1/models";

    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>/v1/models, and /v1/models/NAME.</summary>
    public Task Models(HttpContext context, RequestNote note)
    {
        string path = context.Request.Path.Value!;
        if (path.Length <= Path.Length)
        {
            return JsonBody.Answer(context.Response, StatusCodes.Status200OK, WriteAll);
        }
        string name = path[(Path.Length + 1)..];
        ModelTarget.Of(name, served, adapters.Directories);
        note.Model = name;
        return JsonBody.Answer(context.Response, StatusCodes.Status200OK, writer => Write(writer, name));
    }

    /// <summary>/health.</summary>
    public Task Health(HttpContext context, RequestNote note) => JsonBody.Answer(context.Response, StatusCodes.Status200OK, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("status", "ok");
        writer.WriteNumber("texts", admission.Inside);
        writer.WriteNumber("loaded_adapters", adapters.LoadedCount);
        writer.WriteEndObject();
    });

    private void WriteAll(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        Write(writer, served.Name);
        foreach (string name in adapters.Directories.Names)
        {
            Write(writer, name);
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private void Write(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject();
        writer.WriteString("id", name);
        writer.WriteString("object", "model");
        writer.WriteNumber("created", _created);
        writer.WriteString("owned_by", "peftcore");
        if (name != served.Name)
        {
            writer.WriteString("parent", served.Name);
        }
        writer.WriteEndObject();
    }
}
