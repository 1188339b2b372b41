namespace PeftCore.Tokenizers;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: "system", "user", "assistant", or what else the template knows.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>Other fields of the message that a template may read, such as "tool_calls". Values are strings, numbers, booleans, lists,
    /// dictionaries or JSON elements.</summary>
    public IReadOnlyDictionary<string, object?>? Extra { get; init; }
}
