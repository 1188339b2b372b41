using System.Text.Json;
using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>How models of a template write tool calls.</summary>
/// <param name="Open">The marker before calls; null if an answer that is a call has nothing else in it.</param>
/// <param name="Close">The marker after them; null if they end with the answer.</param>
/// <param name="Read">The calls of the text between the markers; null if it has another form.</param>
internal sealed record ToolCallFormat(string? Open, string? Close,
    Func<string, IReadOnlyList<AIFunctionDeclaration>, IReadOnlyList<ToolCall>?> Read)
{
    private const string Llama = "<|python_tag|>";

    // The first row whose signs are all in the template's text counts.
    private static readonly (string[] Signs, ToolCallFormat Format)[] Known =
    [
        // Qwen3-Coder, Qwen3.5: <tool_call><function=f><parameter=x>1</parameter></function></tool_call>
        (["<tool_call>", "<function="], new("<tool_call>", "</tool_call>", TaggedToolCalls.Read)),

        // Hermes, Qwen2.5, Qwen3, SmolLM3: <tool_call>{"name": "f", "arguments": {}}</tool_call>
        (["<tool_call>"], new("<tool_call>", "</tool_call>", (text, _) => ToolCall.FromJson(text))),

        // Mistral since 2025: [TOOL_CALLS]f[ARGS]{}
        (["[TOOL_CALLS]", "[ARGS]"], new("[TOOL_CALLS]", null, (text, _) => NamedCalls(text))),

        // Mistral: [TOOL_CALLS][{"name": "f", "arguments": {}}]
        (["[TOOL_CALLS]"], new("[TOOL_CALLS]", null, (text, _) => ToolCall.FromJson(text))),

        // Granite, Phi-4-mini: <|tool_call|>[{"name": "f", "arguments": {}}]<|/tool_call|>
        (["<|tool_call|>"], new("<|tool_call|>", "<|/tool_call|>", (text, _) => ToolCall.FromJson(text))),

        // Llama 3.1 to 3.3: {"name": "f", "parameters": {}}
        ([Llama], new(null, null, (text, _) => ToolCall.FromJson(text.Replace(Llama, "", StringComparison.Ordinal)))),
    ];

    /// <summary>The format of a template; null if it is none of these.</summary>
    /// <param name="template">The template's text.</param>
    public static ToolCallFormat? Of(string template) =>
        // GLM-4.5 writes arguments in tags of its own between the markers of others.
        template.Contains("<arg_key>", StringComparison.Ordinal) ? null
            : Known.FirstOrDefault(row => row.Signs.All(sign => template.Contains(sign, StringComparison.Ordinal))).Format;

    /// <summary>Calls written as f[ARGS]{"x": 1}, the later ones after another [TOOL_CALLS].</summary>
    private static IReadOnlyList<ToolCall>? NamedCalls(string text)
    {
        List<ToolCall> calls = [];
        foreach (string call in text.Split("[TOOL_CALLS]"))
        {
            string[] parts = call.Split("[ARGS]", 2);
            string name = parts[0].Split("[CALL_ID]")[0].Trim();
            if (parts.Length < 2 || name.Length == 0 || ToolCall.Parse(parts[1]) is not { ValueKind: JsonValueKind.Object } json)
            {
                return null;
            }
            calls.Add(new ToolCall(name, ToolCall.ArgumentsOf(json)!));
        }
        return calls;
    }
}
