using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace PeftCore.Server.Http;

/// <summary>Passes a request to its endpoint, and answers with an error object where there is none or where it fails.</summary>
/// <param name="endpoints">The endpoints.</param>
/// <param name="admit">Refuses a request that has no right to be answered; open endpoints do without.</param>
/// <param name="log">Receives a line for each request.</param>
internal sealed class Router(IReadOnlyList<Endpoint> endpoints, Action<HttpContext> admit, RequestLog log)
{
    private const int ClientClosedRequest = 499;

    /// <summary>Requests that were answered with success, and others.</summary>
    public (long Answered, long Failed) Counts => (_answered, _failed);

    private long _answered, _failed;

    public async Task Handle(HttpContext context)
    {
        long began = Stopwatch.GetTimestamp();
        var endpoint = endpoints.FirstOrDefault(each => each.Serves(context.Request.Path));
        // The path of an unknown endpoint is text of a stranger, which does not belong into a log.
        var note = new RequestNote(endpoint is null ? "-" : context.Request.Method, endpoint?.Path ?? "-");
        try
        {
            await Run(endpoint, context, note);
            note.Outcome = $"{context.Response.StatusCode}";
        }
        catch (Exception e) when (context.RequestAborted.IsCancellationRequested)
        {
            (note.Outcome, note.Problem) = ($"{ClientClosedRequest}", e is OperationCanceledException or IOException ? "the client has gone"
                : e.GetType().Name);
        }
        catch (Exception e)
        {
            await Fail(context, note, ErrorOf(e));
        }
        Interlocked.Increment(ref note.Problem is null ? ref _answered : ref _failed);
        log.Write(note, Stopwatch.GetElapsedTime(began));
    }

    private async Task Run(Endpoint? endpoint, HttpContext context, RequestNote note)
    {
        if (endpoint is null)
        {
            throw new ApiException(404, $"there is no such endpoint; there are {string.Join(", ", endpoints.Select(each => each.Path))}",
                code: "unknown_url");
        }
        if (context.Request.Method != endpoint.Method)
        {
            context.Response.Headers.Allow = endpoint.Method;
            throw new ApiException(405, $"{endpoint.Path} is used with {endpoint.Method}", code: "method_not_allowed");
        }
        if (!endpoint.IsOpen)
        {
            admit(context);
        }
        await endpoint.Run(context, note);
    }

    private static ApiException ErrorOf(Exception e) => e switch
    {
        ApiException known => known,
        BadInputException bad => new ApiException(400, bad.Message),
        BadHttpRequestException bad => new ApiException(bad.StatusCode, bad.StatusCode == StatusCodes.Status413PayloadTooLarge
            ? "the request is larger than this server takes; shorten it" : bad.Message, code: "bad_request"),
        InsufficientMemoryException => Later("the server has no memory left for this request; try again later", "out_of_memory"),
        OperationCanceledException or ObjectDisposedException => Later("the server is stopping", "shutting_down"),
        _ => new ApiException(500, "the request failed because of an error in the server; its log has the kind", code: e.GetType().Name),
    };

    private static ApiException Later(string message, string code) => new(503, message, code: code) { RetryAfter = 1 };

    private static async Task Fail(HttpContext context, RequestNote note, ApiException error)
    {
        note.Problem = error.Code ?? error.Param ?? error.Type;
        note.Outcome = $"{error.Status}";
        try
        {
            if (context.Response.HasStarted)
            {
                var events = new ServerSentEvents(context.Response);
                events.Add(writer => JsonBody.WriteError(writer, error));
                await events.Flush(context.RequestAborted);
                return;
            }
            if (error.RetryAfter is { } seconds)
            {
                context.Response.Headers.RetryAfter = $"{seconds}";
            }
            await JsonBody.Answer(context.Response, error.Status, writer => JsonBody.WriteError(writer, error));
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            note.Outcome = $"{ClientClosedRequest}";
        }
    }
}

/// <summary>One endpoint.</summary>
/// <param name="Method">GET or POST.</param>
/// <param name="Path">Its path.</param>
/// <param name="Run">Answers a request.</param>
internal sealed record Endpoint(string Method, string Path, Func<HttpContext, RequestNote, Task> Run)
{
    /// <summary>Whether it answers everybody.</summary>
    public bool IsOpen { get; init; }

    /// <summary>Whether it also serves the paths below its own.</summary>
    public bool TakesName { get; init; }

    public bool Serves(PathString path) => path.Value is { } text
        && (text == Path || (TakesName && text.Length > Path.Length + 1 && text.StartsWith(Path + "/", StringComparison.Ordinal)));
}
