using Microsoft.Extensions.AI;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;
using FinishReason = PeftCore.Models.Generation.FinishReason;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>The updates of one answer, made of its tokens.</summary>
internal sealed class ChatAnswer
{
    private readonly ChatRequest _request;
    private readonly string _model;
    private readonly string _id = Guid.NewGuid().ToString("N");
    private readonly DateTimeOffset _created = DateTimeOffset.UtcNow;
    private readonly ToolCallReader? _calls;
    private readonly Dictionary<int, string> _markers = [];

    /// <summary>Begins an answer.</summary>
    /// <param name="request">The request.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="model">The name of the model in the updates.</param>
    public ChatAnswer(ChatRequest request, Tokenizer tokenizer, string model)
    {
        (_request, _model) = (request, model);
        if (request.Format is not { } format)
        {
            return;
        }
        _calls = new ToolCallReader(format, request.Tools);
        // Special tokens have no text, so the markers among them are written here.
        foreach (string? marker in (string?[])[format.Open, format.Close, "[ARGS]", "[CALL_ID]"])
        {
            if (marker is not null && tokenizer.IdOf(marker) is { } id && tokenizer.IsSpecial(id))
            {
                _markers[id] = marker;
            }
        }
    }

    /// <summary>Whether the answer has a tool call in another form than that of its template.</summary>
    public bool HasBadCall => _calls?.HasBadCall == true;

    /// <summary>The update for a token; null if nothing is certain yet.</summary>
    public ChatResponseUpdate? Add(RequestUpdate update)
    {
        string text = update.Text + _markers.GetValueOrDefault(update.Token, "");
        AIContent[] contents = text.Length == 0 ? [] : _calls is null ? [new TextContent(text)] : [.. _calls.Append(text)];
        return contents.Length == 0 ? null : Update(contents);
    }

    /// <summary>The last update: what was held back, the finish reason and the usage.</summary>
    public ChatResponseUpdate End(GenerationResult result)
    {
        int input = _request.Prompt.Length, output = result.Tokens.Count;
        var usage = new UsageDetails { InputTokenCount = input, OutputTokenCount = output, TotalTokenCount = input + output };
        var update = Update([.. _calls?.Finish() ?? [], new UsageContent(usage)]);
        update.FinishReason = _calls?.HasCalls == true ? ChatFinishReason.ToolCalls
            : result.Reason is FinishReason.StopToken or FinishReason.StopString ? ChatFinishReason.Stop : ChatFinishReason.Length;
        update.RawRepresentation = result;
        return update;
    }

    private ChatResponseUpdate Update(IList<AIContent> contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = _id,
        MessageId = _id,
        ModelId = _model,
        CreatedAt = _created,
    };
}
