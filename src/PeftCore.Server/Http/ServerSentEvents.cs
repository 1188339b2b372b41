using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PeftCore.Server.Http;

/// <summary>A response of server-sent events (WHATWG HTML, section 9.2): a JSON value each, <c>[DONE]</c> at the end.</summary>
internal sealed class ServerSentEvents(HttpResponse response)
{
    private readonly PipeWriter _body = response.BodyWriter;

    private static ReadOnlySpan<byte> Data => "data: "u8;

    private static ReadOnlySpan<byte> End => "\n\n"u8;

    private static ReadOnlySpan<byte> Done => "data: [DONE]\n\n"u8;

    /// <summary>Sets the headers, which are sent with the first event.</summary>
    public void Begin()
    {
        response.StatusCode = 200;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        // Proxies such as nginx collect a response before they pass it on, unless told otherwise.
        response.Headers["X-Accel-Buffering"] = "no";
    }

    /// <summary>Writes an event; <see cref="Flush"/> sends it.</summary>
    public void Add(Action<Utf8JsonWriter> write)
    {
        Put(Data);
        Put(JsonBody.Write(write).Span);
        Put(End);
    }

    /// <summary>Writes the last event.</summary>
    public void AddDone() => Put(Done);

    /// <summary>Sends the events so far.</summary>
    public async Task Flush(CancellationToken cancel) => await _body.FlushAsync(cancel);

    private void Put(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_body.GetSpan(bytes.Length));
        _body.Advance(bytes.Length);
    }
}
