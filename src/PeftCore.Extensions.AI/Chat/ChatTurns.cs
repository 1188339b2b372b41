using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using Turn = PeftCore.Tokenizers.ChatMessage;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>Messages as chat templates read them: text, tool calls as "tool_calls", results of tools as messages of the role
/// "tool".</summary>
internal static class ChatTurns
{
    // On one line, as models see JSON.
    private static readonly JsonSerializerOptions Compact = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    /// <summary>The turns of a conversation.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="instructions">The text of a system message before them; null for none.</param>
    /// <exception cref="BadInputException">There is no message, or one has content other than text, calls and results.</exception>
    public static IReadOnlyList<Turn> Of(IEnumerable<ChatMessage> messages, string? instructions)
    {
        List<Turn> turns = instructions is null ? [] : [new Turn(ChatRole.System.Value, instructions)];
        foreach (var message in messages)
        {
            turns.AddRange(TurnsOf(message));
        }
        return turns.Count > 0 ? turns : throw new BadInputException("there are no messages to answer; give at least one");
    }

    private static IEnumerable<Turn> TurnsOf(ChatMessage message)
    {
        var text = new StringBuilder();
        List<object?> calls = [];
        List<Turn> results = [];
        string reasoning = "";
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case TextReasoningContent thought:
                    reasoning += thought.Text;
                    break;
                case FunctionCallContent call:
                    calls.Add(CallOf(call));
                    break;
                case FunctionResultContent result:
                    results.Add(ResultOf(result));
                    break;
                case UsageContent:
                    break; // Says what an earlier answer cost.
                default:
                    throw new BadInputException($"a message of {message.Role} has {content.GetType().Name}, but the model reads text, " +
                        "tool calls and their results only; leave it out");
            }
        }
        if (results.Count > 0 && (text.Length > 0 || calls.Count > 0))
        {
            throw new BadInputException($"a message of {message.Role} has results of tools beside other content; give them in a message " +
                "of the role tool");
        }
        return results.Count > 0 ? results : [new Turn(message.Role.Value, text.ToString()) { Extra = ExtraOf(message, calls, reasoning) }];
    }

    private static Dictionary<string, object?>? ExtraOf(ChatMessage message, List<object?> calls, string reasoning)
    {
        var extra = new Dictionary<string, object?>();
        if (calls.Count > 0)
        {
            extra["tool_calls"] = calls;
        }
        if (reasoning.Length > 0)
        {
            extra["reasoning_content"] = reasoning;
        }
        if (message.AuthorName is { } name)
        {
            extra["name"] = name;
        }
        return extra.Count > 0 ? extra : null;
    }

    private static Dictionary<string, object?> CallOf(FunctionCallContent call) => new()
    {
        ["type"] = "function",
        ["id"] = call.CallId,
        ["function"] = new Dictionary<string, object?>
        {
            ["name"] = call.Name,
            ["arguments"] = (call.Arguments ?? new Dictionary<string, object?>()).ToDictionary(
                argument => argument.Key, argument => ToJson(argument.Value)),
        },
    };

    private static Turn ResultOf(FunctionResultContent result) => new(ChatRole.Tool.Value, TextOf(result.Result))
    {
        Extra = new Dictionary<string, object?> { ["tool_call_id"] = result.CallId },
    };

    private static string TextOf(object? result) => result switch
    {
        null => "",
        string text => text,
        TextContent content => content.Text,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        JsonElement json => json.GetRawText(),
        _ => ((JsonElement)ToJson(result)!).GetRawText(),
    };

    /// <summary>A value as JSON, unless a template reads it as it is.</summary>
    private static object? ToJson(object? value) => value is null or string or bool or JsonElement ? value
        : JsonSerializer.SerializeToElement(value, Compact.GetTypeInfo(value.GetType()));
}
