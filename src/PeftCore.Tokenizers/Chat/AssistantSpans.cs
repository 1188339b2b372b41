namespace PeftCore.Tokenizers;

/// <summary>Finds the assistant's answers in a rendered conversation whose template does not mark them. An answer begins where the prompt
/// for it ends, if the template has a generation prompt, else where its content is written; it ends with the marker that the template
/// writes after it. Where that cannot be told the conversation is refused: a mask that is wrong would train the wrong thing.</summary>
/// <param name="render">Renders messages, with or without a generation prompt.</param>
/// <param name="end">The text of the token that ends a sequence, or null.</param>
internal sealed class AssistantSpans(Func<IReadOnlyList<ChatMessage>, bool, string> render, string? end)
{
    /// <summary>The ranges in UTF-16 units of the answers with their end markers. Answers that the template leaves out have none.</summary>
    public List<TextSpan> Find(IReadOnlyList<ChatMessage> messages, string text)
    {
        var spans = new List<TextSpan>();
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != "assistant" || new AssistantAnswer(TryRender, end, messages, i, text).Find() is not var (start, stop)
                || stop <= start)
            {
                continue;
            }

            if (spans.Count > 0 && start < spans[^1].End)
            {
                throw AssistantAnswer.Unknown(i, "it is written into the one before it");
            }

            spans.Add(new TextSpan(start, stop));
        }

        return spans;
    }

    /// <summary>The same ranges counted in code points.</summary>
    public static List<TextRange> ToCodePoints(string text, List<TextSpan> spans)
    {
        var result = new List<TextRange>(spans.Count);
        var (unit, point) = (0, 0);
        foreach (var span in spans)
        {
            point += CodePoints.Count(text.AsSpan(unit, span.Start - unit));
            int start = point;
            point += CodePoints.Count(text.AsSpan(span.Start, span.End - span.Start));
            unit = span.End;
            result.Add(new TextRange(start, point));
        }

        return result;
    }

    private string? TryRender(IReadOnlyList<ChatMessage> messages, bool prompt)
    {
        try
        {
            return render(messages, prompt);
        }
        catch (BadInputException)
        {
            // Templates refuse some conversations, such as an empty one or a content of another form.
            return null;
        }
    }
}
