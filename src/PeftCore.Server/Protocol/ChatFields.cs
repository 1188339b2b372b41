using PeftCore.Server.Http;
using PeftCore.Tokenizers;

namespace PeftCore.Server.Protocol;

/// <summary>Reads the messages of a conversation.</summary>
internal static class ChatFields
{
    /// <summary>A message as chat templates see it. A list of text parts becomes one text; other fields, such as the calls of a tool, are
    /// passed to the template as they are.</summary>
    /// <exception cref="ApiException">The role is missing, or a part is not a text.</exception>
    public static ChatMessage MessageOf(Field field)
    {
        string? role = null, content = null;
        var extra = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var member in field.Members())
        {
            switch (member.LocalName)
            {
                case "role":
                    role = RoleOf(member);
                    break;
                case "content":
                    content = member.IsNull ? null : member.IsText ? member.Text() : string.Concat(member.Items().Select(PartOf));
                    break;
                case "audio" or "function_call" or "refusal" when !member.IsNull:
                    throw ApiException.Bad(member.Name, $"{member.Name} is not supported: messages are texts", "unsupported_parameter");
                default:
                    if (!member.IsNull)
                    {
                        extra.Add(member.LocalName, member.Value.Clone());
                    }
                    break;
            }
        }
        if (content is null && !extra.ContainsKey("tool_calls"))
        {
            throw ApiException.Bad(field.Name, $"{field.Name} has no content");
        }
        return new ChatMessage(role ?? throw ApiException.Bad(field.Name, $"{field.Name} has no role"), content ?? "")
        {
            Extra = extra.Count == 0 ? null : extra,
        };
    }

    // The newer name of "system"; templates know the older one.
    private static string RoleOf(Field field) => field.Text() is var role && role == "developer" ? "system" : role;

    private static string PartOf(Field part)
    {
        var members = part.Members();
        string? type = members.FirstOrDefault(member => member.LocalName == "type") is { Name: not null } kind ? kind.Text() : null;
        return type == "text" && members.FirstOrDefault(member => member.LocalName == "text") is { Name: not null } text ? text.Text()
            : throw ApiException.Bad(part.Name, $"{part.Name} is not a part of type text, and this server reads no others",
                "unsupported_parameter");
    }
}
