namespace PeftCore.Tokenizers;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">The speaker: "system", "user", "assistant", or another role of the template.</param>
/// <param name="Content">The text of the message.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>Other fields of the message that a template may read, such as "tool_calls". Templates are dynamically typed, so values
    /// are of any of these types: strings, numbers, booleans, lists, dictionaries, JSON elements, null. A "content" here, such as null or
    /// a list of parts, replaces <see cref="Content"/>.</summary>
    public IReadOnlyDictionary<string, object?>? Extra { get; init; }

    /// <summary>The names of all fields in the order in which a template that writes the whole message shows them; null for role, content
    /// and then <see cref="Extra"/>. Two messages that differ in nothing else are equal.</summary>
    public IReadOnlyList<string>? FieldNames
    {
        get => Fields.Names;
        init => Fields = new FieldOrder(value);
    }

    internal FieldOrder Fields { get; init; }

    /// <summary>The message without one of its other fields.</summary>
    /// <param name="name">A name of <see cref="Extra"/>.</param>
    public ChatMessage WithoutField(string name) => this with { Extra = Without(name), Fields = Fields.Without(name) };

    /// <summary>The message with another text as its content.</summary>
    internal ChatMessage Saying(string content) =>
        this with { Content = content, Extra = Without("content"), Fields = Fields.With("content") };

    /// <summary>The other fields without one of them.</summary>
    private IReadOnlyDictionary<string, object?>? Without(string name) =>
        Extra?.ContainsKey(name) == true ? Extra.Where(field => field.Key != name).ToDictionary(field => field.Key, field => field.Value)
        : Extra;

    /// <summary>All fields in the order that the template sees.</summary>
    internal IEnumerable<KeyValuePair<string, object?>> Members() =>
        (Fields.Names ?? ["role", .. new[] { "content" }.Concat(Extra?.Keys ?? []).Distinct()]).Select(name => KeyValuePair.Create(name,
            Extra is not null && Extra.TryGetValue(name, out object? value) ? value : name == "role" ? Role : name == "content" ? Content
            : null));
}
