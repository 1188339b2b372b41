using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>Reads calls in tags: &lt;function=f&gt; with a &lt;parameter=x&gt; for each argument. The text of an argument is a text or
/// JSON, as the tool's schema says.</summary>
internal static partial class TaggedToolCalls
{
    /// <summary>The calls of a text; null if it has another form.</summary>
    public static IReadOnlyList<ToolCall>? Read(string text, IReadOnlyList<AIFunctionDeclaration> tools)
    {
        List<ToolCall> calls = [];
        foreach (Match function in Function().Matches(text))
        {
            string name = function.Groups["name"].Value.Trim();
            var tool = tools.FirstOrDefault(known => known.Name == name);
            var arguments = new Dictionary<string, object?>();
            foreach (Match parameter in Parameter().Matches(function.Groups["body"].Value))
            {
                string key = parameter.Groups["name"].Value.Trim();
                arguments[key] = ValueOf(parameter.Groups["value"].Value, TypeOf(tool, key));
            }
            calls.Add(new ToolCall(name, arguments));
        }
        return calls.Count > 0 ? calls : null;
    }

    private static object? ValueOf(string text, string? type)
    {
        text = text.StartsWith('\n') ? text[1..] : text;
        text = text.EndsWith('\n') ? text[..^1] : text;
        return type is null or "string" || ToolCall.Parse(text) is not { } json ? text : json;
    }

    /// <summary>The type that a tool's schema gives an argument; null if it does not say.</summary>
    private static string? TypeOf(AIFunctionDeclaration? tool, string argument) =>
        tool?.JsonSchema is { ValueKind: JsonValueKind.Object } schema
        && schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object
        && properties.TryGetProperty(argument, out var property) && property.ValueKind == JsonValueKind.Object
        && property.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString() : null;

    [GeneratedRegex(@"<function=(?<name>[^>]+)>(?<body>.*?)</function>", RegexOptions.Singleline)]
    private static partial Regex Function();

    [GeneratedRegex(@"<parameter=(?<name>[^>]+)>(?<value>.*?)</parameter>", RegexOptions.Singleline)]
    private static partial Regex Parameter();
}
