using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using PeftCore.Models.Generation;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>What activities, metrics and the log say of an answer.</summary>
internal static class ChatTelemetry
{
    /// <summary>Adds the attributes of a request.</summary>
    public static void Tag(GenAiOperation operation, GenerationOptions generation)
    {
        operation.Tag("gen_ai.request.max_tokens", generation.MaxNewTokens);
        operation.Tag("gen_ai.request.temperature", (double)generation.Temperature);
        if (generation.Temperature > 0)
        {
            operation.Tag("gen_ai.request.seed", unchecked((long)generation.Seed));
            operation.Tag("gen_ai.request.top_p", generation.TopP < 1 ? (double)generation.TopP : null);
            operation.Tag("gen_ai.request.top_k", generation.TopK > 0 ? (double)generation.TopK : null);
        }
        operation.Tag("gen_ai.request.stop_sequences", generation.StopStrings.Count > 0 ? generation.StopStrings.ToArray() : null);
    }

    /// <summary>Adds what is known at the end of an answer.</summary>
    public static void Complete(GenAiOperation operation, ILogger logger, string model, ChatRequest request, GenerationResult result,
        ChatResponseUpdate last, bool hasBadCall)
    {
        string reason = last.FinishReason!.Value.Value;
        operation.Tag("gen_ai.response.id", last.ResponseId);
        operation.Tag("gen_ai.response.finish_reasons", (string[])[reason]);
        operation.Complete(request.Prompt.Length, result.Tokens.Count);
        Log.Answered(logger, model, request.Prompt.Length, result.Tokens.Count, reason, operation.Seconds);
        if (result.Notice is { } notice)
        {
            Log.Notice(logger, notice);
        }
        if (hasBadCall)
        {
            Log.BadToolCall(logger, model);
        }
    }
}
