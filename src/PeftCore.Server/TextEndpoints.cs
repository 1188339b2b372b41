using System.Globalization;
using Microsoft.AspNetCore.Http;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Server.Engine;
using PeftCore.Server.Http;
using PeftCore.Server.Protocol;

namespace PeftCore.Server;

/// <summary>The endpoints of text: chat and completions.</summary>
/// <param name="options">Limits.</param>
/// <param name="served">The model.</param>
/// <param name="adapters">Its adapters.</param>
/// <param name="engine">Generates texts.</param>
/// <param name="admission">Counts texts.</param>
internal sealed class TextEndpoints(ServerOptions options, ServedModel served, AdapterPool adapters, BatchEngine engine,
    Admission admission)
{
    private long _count;

    /// <summary>Number of tokens generated.</summary>
    public long NewTokens => _newTokens;

    private long _newTokens;

    /// <summary>/v1/chat/completions.</summary>
    public async Task Chat(HttpContext context, RequestNote note)
    {
        ChatRequest request;
        using (var body = await JsonBody.Read(context.Request))
        {
            request = ChatRequest.Fields.Read(body.RootElement, new ChatRequest());
        }
        var target = Target(request, note);
        var template = served.Template ?? throw new ApiException(400, $"the model {served.Name} has no chat template; use " +
            "/v1/completions, or start the server with --chat-template", code: "no_chat_template");
        await Answer(context, request, target, note, 1, () =>
        {
            string text = served.Tokenizer.RenderChat(request.Messages, addGenerationPrompt: true, template, request.TemplateFields);
            int[] ids = [.. served.Tokenizer.Encode(text, addSpecialTokens: false).Ids];
            return [(ids, "")];
        }, new ChatForm(NextId("chatcmpl"), request.Model!, Now()) { HasUsage = request.IncludeUsage }, null);
    }

    /// <summary>/v1/completions.</summary>
    public async Task Complete(HttpContext context, RequestNote note)
    {
        CompletionRequest request;
        using (var body = await JsonBody.Read(context.Request))
        {
            request = CompletionRequest.Fields.Read(body.RootElement, new CompletionRequest());
        }
        var target = Target(request, note);
        await Answer(context, request, target, note, request.Prompts.Count, () => [.. request.Prompts.Select(prompt =>
            (prompt.Tokens(served.Tokenizer, served.Continues), request.Echo ? prompt.Text(served.Tokenizer) : ""))],
            new CompletionForm(NextId("cmpl"), request.Model!, Now()) { HasUsage = request.IncludeUsage }, request.NewTokens);
    }

    private ModelTarget Target(GenerationRequest request, RequestNote note)
    {
        request.Check();
        var target = ModelTarget.Of(request.Model!, served, adapters.Directories);
        note.Model = request.Model;
        return served.WritesText ? target
            : throw new ApiException(400, $"the model {served.Name} writes no text; use /v1/embeddings", "model", "model_not_supported");
    }

    private async Task Answer(HttpContext context, GenerationRequest request, ModelTarget target, RequestNote note, int prompts,
        Func<IReadOnlyList<(int[] Ids, string Before)>> tokenize, AnswerForm form, int? newTokens)
    {
        using var place = admission.Enter(prompts * request.Choices);
        using var limit = new TimeLimit(options.Timeout, context.RequestAborted);
        var texts = tokenize();
        note.PromptTokens = texts.Sum(text => text.Ids.Length);
        var answer = new GenerationAnswer(form, note.PromptTokens,
            [.. texts.SelectMany(text => Enumerable.Repeat(text.Before, request.Choices))]);
        await limit.Run(async cancel =>
        {
            using var lease = await target.Lease(adapters, cancel);
            var jobs = JobsOf(request, texts.Select(text => text.Ids), target.Adapter, lease?.SharesSteps ?? true, newTokens);
            await using var runs = new TextRuns(engine, jobs, cancel);
            try
            {
                await (request.Stream ? answer.Stream(context, runs, request.IncludeUsage, cancel) : answer.Whole(context, runs, cancel));
            }
            finally
            {
                note.NewTokens = runs.NewTokens;
                Interlocked.Add(ref _newTokens, runs.NewTokens);
            }
        });
    }

    private List<TextJob> JobsOf(GenerationRequest request, IEnumerable<int[]> prompts, string adapter, bool sharesSteps, int? newTokens)
    {
        int virtualTokens = served.Model.WithAdapters([adapter], () => served.Model.Base.VirtualTokenCount);
        return [.. from prompt in prompts
                   let most = Room(prompt.Length, virtualTokens, newTokens ?? request.MaxTokens)
                   from choice in Enumerable.Range(0, request.Choices)
                   select new TextJob(prompt, request.Options(served.Defaults, most, choice), adapter, sharesSteps, _ => { })];
    }

    /// <summary>The most new tokens after a prompt.</summary>
    private int Room(int prompt, int virtualTokens, int? wanted)
    {
        // An encoder reads the prompt, so that it takes no room of the text.
        int before = served.Continues ? prompt : 0;
        int context = Math.Min(options.MaxContext ?? int.MaxValue, engine.MaxTokens) - virtualTokens;
        if (before + (wanted ?? 1) > context)
        {
            string asked = wanted is { } most ? $" and at most {most} new ones are asked for" : "";
            throw new ApiException(400, $"the prompt has {prompt} tokens{asked}, but prompt and answer together may have {context}; " +
                "shorten the prompt or lower max_tokens", wanted is null ? null : "max_tokens", "context_length_exceeded");
        }
        return wanted ?? context - before;
    }

    // An identifier is no secret, so it needs no random numbers of the operating system, which a bare machine may lack.
    private string NextId(string prefix) => string.Create(CultureInfo.InvariantCulture,
        $"{prefix}-{Random.Shared.NextInt64():x16}{Interlocked.Increment(ref _count):x8}");

    private static long Now() => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
}
