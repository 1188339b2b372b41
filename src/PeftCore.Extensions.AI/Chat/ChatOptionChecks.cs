using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>Refuses options of a request that are not supported, one sentence each. A value that asks for nothing passes.</summary>
internal static class ChatOptionChecks
{
    private static readonly (Func<ChatOptions, bool> IsAsked, string Sentence)[] Unsupported =
    [
        (options => options.ConversationId is not null,
            "ConversationId names a conversation that a server keeps, but nothing is kept here; give all messages"),
        (options => options.FrequencyPenalty is not (null or 0), "FrequencyPenalty is not supported; " + Penalty),
        (options => options.PresencePenalty is not (null or 0), "PresencePenalty is not supported; " + Penalty),
        (options => options.Reasoning is { Effort: not null } or { Output: not null },
            "Reasoning is not supported; give the variable that the chat template reads, such as enable_thinking, in AdditionalProperties"),
        (options => options.ResponseFormat is ChatResponseFormatJson { Schema: not null },
            "ResponseFormat is a JSON schema, but answers are not constrained to one; ask for it in a message and check the answer"),
        (options => options.ResponseFormat is ChatResponseFormatJson,
            "ResponseFormat is JSON, but answers are not constrained to it; ask for it in a message and check the answer"),
        (options => options.ResponseFormat is not (null or ChatResponseFormatText or ChatResponseFormatJson),
            "ResponseFormat is of an unknown kind, expected text"),
        (options => options.ToolMode is RequiredChatToolMode,
            "ToolMode requires a tool call, but answers are not constrained to one; use Auto"),
        (options => options.ToolMode is not (null or AutoChatToolMode or NoneChatToolMode or RequiredChatToolMode),
            "ToolMode is of an unknown kind, expected Auto or None"),
        (options => options is { AllowMultipleToolCalls: false, Tools.Count: > 0 },
            "AllowMultipleToolCalls is false, but answers are not constrained to one tool call; leave it out"),
        (options => options.AllowBackgroundResponses == true, "AllowBackgroundResponses is not supported; leave it out"),
        (options => options.ContinuationToken is not null, "ContinuationToken is not supported: no answer continues another call"),
        (options => options.MaxOutputTokens < 1, "MaxOutputTokens is below 1; expected at least one token"),
        (options => options.TopK < 0, "TopK is below 0; expected a number of tokens, or 0 for all"),
        (options => options.TopP is <= 0 or > 1, "TopP is out of range; expected a share above 0 and at most 1"),
    ];

    private const string Penalty = "a repetition penalty is: return GenerationOptions with RepetitionPenalty from RawRepresentationFactory";

    /// <summary>Refuses the first option that is not supported.</summary>
    /// <exception cref="BadInputException">There is one.</exception>
    public static void Refuse(ChatOptions options)
    {
        foreach (var (isAsked, sentence) in Unsupported)
        {
            if (isAsked(options))
            {
                throw new BadInputException(sentence);
            }
        }
    }

    /// <summary>The tools that the model is told of.</summary>
    /// <exception cref="BadInputException">One is no function.</exception>
    public static IReadOnlyList<AIFunctionDeclaration> ToolsOf(ChatOptions options) => options.ToolMode is NoneChatToolMode ? []
        : [.. (options.Tools ?? []).Select(tool => tool as AIFunctionDeclaration ?? throw new BadInputException(
            $"the tool {tool.Name} is {tool.GetType().Name}, but the model can be told of functions only"))];
}
