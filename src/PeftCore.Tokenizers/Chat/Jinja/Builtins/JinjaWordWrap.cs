using System.Text.RegularExpressions;

namespace PeftCore.Tokenizers;

/// <summary>Python's textwrap.wrap for one line, without changing its white space.</summary>
internal static class JinjaWordWrap
{
    private const string Space = @"[\t\n\v\f\r ]";
    private const string Word = @"[\w!""'&.,?]";
    private const string Letter = @"[^\d\W]";

    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);

    // White space, a dash between words, or a word, perhaps up to a hyphen inside it.
    private static readonly Regex Hyphens = new(
        $@"({Space}+|(?<={Word})-{{2,}}(?=\w)|[^\t\n\v\f\r ]+?" +
        $@"(?:-(?:(?<={Letter}{{2}}-)|(?<={Letter}-{Letter}-))(?={Letter}-?{Letter})|(?={Space}|\z)|(?<={Word})(?=-{{2,}}\w)))",
        RegexOptions.CultureInvariant, Limit);

    private static readonly Regex Blanks = new($"({Space}+)", RegexOptions.CultureInvariant, Limit);

    public static List<string> Wrap(string text, long width, bool breakLong, bool breakHyphens, JinjaRun run)
    {
        if (width <= 0)
        {
            throw JinjaError.Of($"wordwrap has the width {width}");
        }

        run.Spend(128 + text.Length * 16L);
        Stack<string> chunks;
        try
        {
            chunks = new Stack<string>((breakHyphens ? Hyphens : Blanks).Split(text).Where(c => c.Length > 0).Reverse());
        }
        catch (RegexMatchTimeoutException)
        {
            throw JinjaError.Of("wordwrap has a text that takes too long");
        }

        var lines = new List<string>();
        while (chunks.Count > 0)
        {
            var (line, length) = (new List<string>(), 0L);
            if (IsBlank(chunks.Peek()) && lines.Count > 0)
            {
                chunks.Pop();
            }

            while (chunks.Count > 0 && length + CodePoints.Count(chunks.Peek()) <= width)
            {
                length += CodePoints.Count(chunks.Peek());
                line.Add(chunks.Pop());
            }

            if (chunks.Count > 0 && CodePoints.Count(chunks.Peek()) > width)
            {
                run.Spend(chunks.Peek().Length); // What is left of the word is copied for each line it fills.
                Break(chunks, line, width - length, breakLong, breakHyphens);
            }

            if (line.Count > 0 && IsBlank(line[^1]))
            {
                line.RemoveAt(line.Count - 1);
            }

            run.Step();
            if (line.Count > 0)
            {
                lines.Add(string.Concat(line));
            }
        }

        return lines;
    }

    /// <summary>Takes as much of a word that is longer than a line as there is room for.</summary>
    private static void Break(Stack<string> chunks, List<string> line, long room, bool breakLong, bool breakHyphens)
    {
        if (breakLong)
        {
            string chunk = chunks.Pop();
            int count = CodePoints.Count(chunk);
            long end = room;
            if (breakHyphens && count > end)
            {
                int hyphen = JinjaStrings.Slice(chunk, 0, end).LastIndexOf('-');
                if (hyphen > 0 && chunk[..hyphen].Any(c => c != '-'))
                {
                    end = CodePoints.Count(chunk.AsSpan(0, hyphen)) + 1;
                }
            }

            line.Add(JinjaStrings.Slice(chunk, 0, end));
            chunks.Push(JinjaStrings.Slice(chunk, end, count));
        }
        else if (line.Count == 0)
        {
            line.Add(chunks.Pop());
        }
    }

    private static bool IsBlank(string chunk) => chunk.All(c => JinjaStrings.IsSpace(c));
}
