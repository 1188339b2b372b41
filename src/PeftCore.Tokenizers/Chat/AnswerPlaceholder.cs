namespace PeftCore.Tokenizers;

/// <summary>Two characters that no text of a conversation has, put around or in the place of an answer to find where a template writes
/// it.</summary>
internal readonly record struct AnswerPlaceholder(char Open, char Close)
{
    private const char FirstPrivate = '\uE000', LastPrivate = '\uF8FF';

    /// <summary>A pair that a text does not have.</summary>
    public static AnswerPlaceholder For(string text)
    {
        char[] free = Enumerable.Range(FirstPrivate, LastPrivate - FirstPrivate + 1).Select(c => (char)c).Where(c => !text.Contains(c))
            .Take(2).ToArray();
        return free.Length == 2 ? new AnswerPlaceholder(free[0], free[1])
            : throw new BadInputException(
            "The conversation has every character for private use, so that none is left to find the answers by; remove some.");
    }

    /// <summary>The messages that can stand for one, the simplest first; the later ones keep its text for templates that look into
    /// it.</summary>
    public IEnumerable<ChatMessage> Variants(ChatMessage message)
    {
        if (message.Extra?.GetValueOrDefault("content") is { } content and not string)
        {
            return JinjaJson.Import(content) is List<object?> parts
                ? [InParts(message, parts, keep: false), InParts(message, parts, keep: true)] : [];
        }

        string text = message.Extra?.GetValueOrDefault("content") as string ?? message.Content;
        return [message.Saying($"{Open}answer{Close}"), message.Saying($"{Open}{text}{Close}")];
    }

    /// <summary>The text before and after the placeholder; null unless it occurs once.</summary>
    public (string Before, string After)? Split(string text)
    {
        var (open, close) = (text.IndexOf(Open), text.IndexOf(Close));
        return open >= 0 && close > open && text.IndexOf(Open, open + 1) < 0 && text.IndexOf(Close, close + 1) < 0
            ? (text[..open], text[(close + 1)..])
            : null;
    }

    /// <summary>The characters around or in the place of all parts of a content that are text.</summary>
    private ChatMessage InParts(ChatMessage message, List<object?> parts, bool keep)
    {
        int[] texts = parts.Select((part, index) => (part, index)).Where(p => p.part is JinjaDict dict
            && dict.TryGet("text", out object? text) && text is string)
            .Select(p => p.index).ToArray();
        var changed = parts.ToList();
        foreach (int index in texts)
        {
            var copy = new JinjaDict();
            foreach (var (key, value) in ((JinjaDict)parts[index]!).Items)
            {
                copy[key] = key is not "text" ? value
                    : (index == texts[0] ? $"{Open}" : "") + (keep ? value : "answer") + (index == texts[^1] ? $"{Close}" : "");
            }

            changed[index] = copy;
        }

        return message with { Extra = new Dictionary<string, object?>(message.Extra!) { ["content"] = changed } };
    }
}
