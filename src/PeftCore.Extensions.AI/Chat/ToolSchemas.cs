using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>The variables of a chat template beside the messages.</summary>
internal static class ToolSchemas
{
    /// <summary>The variables of a request.</summary>
    /// <param name="properties">Variables that the caller gives, such as enable_thinking.</param>
    /// <param name="tools">The tools, which become the variable "tools" as transformers gives it.</param>
    /// <exception cref="BadInputException">The caller gives tools twice.</exception>
    public static IReadOnlyDictionary<string, object?> VariablesOf(AdditionalPropertiesDictionary? properties,
        IReadOnlyList<AIFunctionDeclaration> tools)
    {
        var variables = new Dictionary<string, object?>();
        foreach (var (name, value) in properties ?? [])
        {
            variables[name] = value;
        }
        if (tools.Count > 0 && !variables.TryAdd("tools", tools.Select(SchemaOf).ToList()))
        {
            throw new BadInputException("tools are given in Tools and in AdditionalProperties; leave one out");
        }
        return variables;
    }

    private static Dictionary<string, object?> SchemaOf(AIFunctionDeclaration tool) => new()
    {
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?>
        {
            ["name"] = tool.Name,
            ["description"] = tool.Description,
            ["parameters"] = tool.JsonSchema,
        },
    };
}
