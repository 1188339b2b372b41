namespace PeftCore.Tokenizers;

/// <summary>The search for one answer in a rendered conversation.</summary>
/// <param name="render">Renders messages, with or without a generation prompt; null where the template refuses them.</param>
/// <param name="end">The text of the token that ends a sequence, or null.</param>
/// <param name="messages">The conversation.</param>
/// <param name="index">The message that is the answer.</param>
/// <param name="text">The conversation as the template writes it.</param>
internal sealed class AssistantAnswer(
    Func<IReadOnlyList<ChatMessage>, bool, string?> render, string? end, IReadOnlyList<ChatMessage> messages, int index, string text)
{
    private readonly AnswerPlaceholder _placeholder = AnswerPlaceholder.For(text);
    private string _why = "the template does not take another text in its place";

    /// <summary>The answer's range; null if the template leaves it out.</summary>
    public TextSpan? Find()
    {
        var before = messages.Take(index).ToArray();
        var (plain, prompt) = (render(before, false), render(before, true));
        // A template that ignores add_generation_prompt renders both texts alike, which tells nothing.
        prompt = prompt == plain ? null : prompt;
        foreach (var variant in _placeholder.Variants(messages[index]))
        {
            if (render(With(index, variant), false) is not { } other)
            {
                continue;
            }

            if (other == text)
            {
                return HasOthers ? Whole(prompt) ?? throw Unknown(index, _why) : null;
            }

            if (_placeholder.Split(other) is not var (head, tail))
            {
                _why = "its text is written more than once, or only in part";
            }
            else if (Place(head, tail, variant, plain, prompt) is { } span)
            {
                return span;
            }
        }

        return Whole(prompt) ?? throw Unknown(index, _why);
    }

    private bool HasOthers => messages[index].Extra?.Keys.Any(name => name is not ("role" or "content")) == true;

    private TextSpan? Place(string head, string tail, ChatMessage variant, string? plain, string? prompt)
    {
        int stop = text.Length - tail.Length;
        if (!text.EndsWith(tail, StringComparison.Ordinal) || Start(head, variant, plain, prompt) is not { } start || start > stop)
        {
            _why = "what stands around it depends on its text";
            return null;
        }

        return MarkerLength(variant, tail, stop) is { } marker ? new TextSpan(start, stop + marker) : null;
    }

    private int? Start(string head, ChatMessage variant, string? plain, string? prompt)
    {
        if (prompt is not null)
        {
            return text.StartsWith(prompt, StringComparison.Ordinal) ? prompt.Length : StartAfter(head, plain, prompt);
        }

        string? bare = HasOthers ? render(With(index, variant with { Extra = ContentOf(variant), Fields = default }), false) : null;
        return text.StartsWith(head, StringComparison.Ordinal)
            && (!HasOthers || (bare is not null && _placeholder.Split(bare) is var (same, _) && same == head))
            ? head.Length
            : null;
    }

    /// <summary>Earlier turns can be written otherwise in the prompt than here; what begins the answer is then what only the prompt
    /// adds.</summary>
    private int? StartAfter(string head, string? plain, string prompt)
    {
        string opener = plain is not null && prompt.StartsWith(plain, StringComparison.Ordinal) ? prompt[plain.Length..] : "";
        int at = string.IsNullOrWhiteSpace(opener) ? -1 : head.LastIndexOf(opener, StringComparison.Ordinal);
        if (at >= 0 && !HoldsPrevious(head.AsSpan(at + opener.Length)))
        {
            return text.StartsWith(head[..(at + opener.Length)], StringComparison.Ordinal) ? at + opener.Length : null;
        }

        // The prompt may also begin what the model thinks, which an answer without thoughts has not.
        return text.StartsWith(head, StringComparison.Ordinal)
            && (text.AsSpan().CommonPrefixLength(prompt) >= head.Length || EndsWithBeginOf(head, opener)) ? head.Length : null;
    }

    private bool HoldsPrevious(ReadOnlySpan<char> part) =>
        index > 0 && messages[index - 1].Content.Trim() is { Length: > 0 } said && part.Contains(said, StringComparison.OrdinalIgnoreCase);

    private static bool EndsWithBeginOf(string head, string opener)
    {
        for (int length = opener.Length; length > 0; length--)
        {
            if (ChatMarkers.WholeLength(opener.AsSpan(0, length)) == length && !string.IsNullOrWhiteSpace(opener[..length])
                && head.EndsWith(opener[..length], StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>How much of what follows the answer ends its turn. That is what also follows where the conversation stops with the answer,
    /// if it is a marker; else the text before the begin of the next message. Null if it cannot be determined.</summary>
    private int? MarkerLength(ChatMessage variant, string rest, int stop)
    {
        if (index == messages.Count - 1)
        {
            return rest.AsSpan().TrimEnd().Length;
        }

        int length = 0;
        if (render([.. messages.Take(index), variant], false) is { } cut && _placeholder.Split(cut) is var (_, marker))
        {
            length = rest.AsSpan().CommonPrefixLength(marker);
            length = length == marker.Length ? length : ChatMarkers.WholeLength(rest.AsSpan(0, length));
        }

        length = rest.AsSpan(0, length).TrimEnd().Length;
        if (length > 0 && (rest[length - 1] is '>' or ']' || (!string.IsNullOrEmpty(end) && rest.AsSpan(0, length).EndsWith(end))))
        {
            return length;
        }

        if (EndTokenAt(rest, length) is { } token)
        {
            return token;
        }

        if (BetweenTurns(rest, stop) is { } between && between >= length)
        {
            return rest.AsSpan(0, between).TrimEnd().Length;
        }

        _why = "no turn before it shows where its end marker ends and the next turn begins";
        return null;
    }

    private int? EndTokenAt(string rest, int start)
    {
        int at = rest.Length - rest.AsSpan(start).TrimStart().Length;
        return !string.IsNullOrEmpty(end) && rest.AsSpan(at).StartsWith(end) ? at + end.Length : null;
    }

    /// <summary>Between an answer and the next message stand an end marker and what begins that message. The latter also stands before an
    /// earlier message of that role where that one begins a conversation.</summary>
    private int? BetweenTurns(string rest, int stop)
    {
        int next = index + 1;
        if (string.IsNullOrWhiteSpace(rest))
        {
            return 0;
        }

        var earlier = messages.Take(index).FirstOrDefault(message => message.Role == messages[next].Role);
        if (earlier is null || Head(variant => [variant], earlier) is not { } first
            || Head(variant => With(next, variant), messages[next]) is not { } head
            || !head.AsSpan().StartsWith(text.AsSpan(0, stop)))
        {
            return null;
        }

        string gap = head[stop..];
        int shared = 0;
        while (shared < gap.Length && shared < first.Length && gap[^(shared + 1)] == first[^(shared + 1)])
        {
            shared++;
        }

        int length = ChatMarkers.EndOfMarker(gap, gap.Length - shared);
        // A default system turn has an end marker too, so that several markers in common can be more than the next turn's begin.
        return string.IsNullOrWhiteSpace(gap[..length]) ? (ChatMarkers.Count(gap) > 1 ? null : 0)
            : string.IsNullOrWhiteSpace(gap[length..]) ? null
            : length;
    }

    private string? Head(Func<ChatMessage, ChatMessage[]> conversation, ChatMessage message) =>
        _placeholder.Variants(message).Select(variant => render(conversation(variant), false))
            .Select(other => other is null ? null : _placeholder.Split(other)?.Before).FirstOrDefault(head => head is not null);

    /// <summary>All that follows the prompt where the conversation stops with this turn.</summary>
    private TextSpan? Whole(string? prompt)
    {
        string? cut = render([.. messages.Take(index + 1)], false)?.TrimEnd();
        return prompt is not null && cut is not null && cut.Length > prompt.Length && text.StartsWith(prompt, StringComparison.Ordinal)
            && text.StartsWith(cut, StringComparison.Ordinal) ? new TextSpan(prompt.Length, cut.Length) : null;
    }

    private ChatMessage[] With(int message, ChatMessage variant)
    {
        var changed = messages.ToArray();
        changed[message] = variant;
        return changed;
    }

    private static Dictionary<string, object?>? ContentOf(ChatMessage message) =>
        message.Extra?.Where(field => field.Key == "content").ToDictionary(field => field.Key, field => field.Value);

    public static BadInputException Unknown(int message, string why) =>
        new($"Where the chat template writes the answer in message {message + 1} cannot be told: {why}; mark the answers in the template " +
        "with "
            + "{% generation %} and {% endgeneration %}, choose another (--chat-template), or learn from whole conversations " +
            "(--mask-prompt false).");
}
