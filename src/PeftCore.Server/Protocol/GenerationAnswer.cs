using Microsoft.AspNetCore.Http;
using PeftCore.Server.Engine;
using PeftCore.Server.Http;

namespace PeftCore.Server.Protocol;

/// <summary>Sends the texts of a request: as one JSON object, or as a stream of events.</summary>
/// <param name="form">The JSON.</param>
/// <param name="promptTokens">Tokens of the prompts.</param>
/// <param name="before">The text that each answer begins with: an echoed prompt, or nothing.</param>
internal sealed class GenerationAnswer(AnswerForm form, int promptTokens, IReadOnlyList<string> before)
{
    /// <summary>Answers when all texts have ended.</summary>
    public async Task Whole(HttpContext context, TextRuns runs, CancellationToken cancel)
    {
        var choices = new Choice[before.Count];
        await foreach (var (index, _, result) in runs.Events.ReadAllAsync(cancel))
        {
            if (result is not null)
            {
                choices[index] = new Choice(index, before[index] + result.Text, result.Reason);
            }
        }
        await JsonBody.Answer(context.Response, StatusCodes.Status200OK, writer => form.WriteWhole(writer, choices, UsageOf(runs)));
    }

    /// <summary>Sends pieces as they come. The headers go with the first of them, so that a request that fails before has its
    /// status.</summary>
    public async Task Stream(HttpContext context, TextRuns runs, bool includeUsage, CancellationToken cancel)
    {
        var events = new ServerSentEvents(context.Response);
        bool[] begun = new bool[before.Count];
        bool any = false;
        while (await runs.Events.WaitToReadAsync(cancel))
        {
            if (!any)
            {
                events.Begin();
                any = true;
            }
            while (runs.Events.TryRead(out var next))
            {
                Add(events, next, begun);
            }
            await events.Flush(cancel);
        }
        if (includeUsage)
        {
            events.Add(writer => form.WriteUsage(writer, UsageOf(runs)));
        }
        events.AddDone();
        await events.Flush(cancel);
    }

    private Usage UsageOf(TextRuns runs) => new(promptTokens, runs.NewTokens);

    private void Add(ServerSentEvents events, TextEvent next, bool[] begun)
    {
        bool isFirst = !begun[next.Index];
        begun[next.Index] = true;
        string piece = isFirst ? before[next.Index] + next.Piece : next.Piece;
        // The first event of a text names its role, also of an empty text.
        if (isFirst || piece.Length > 0)
        {
            events.Add(writer => form.WritePiece(writer, next.Index, piece, isFirst));
        }
        if (next.Result is { } result)
        {
            events.Add(writer => form.WriteEnd(writer, next.Index, result.Reason));
        }
    }
}
