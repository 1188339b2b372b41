using System.Text;

namespace PeftCore.Tests.Docs;

/// <summary>Writes the site's pages of docs/lessons/NN-name.cs: comments that stand by themselves become text, code between them is
/// included by its lines, and the recorded output follows.</summary>
internal static class LessonPages
{
    /// <summary>The pages and the table of contents by file name; none if the folder has no lessons.</summary>
    /// <param name="folder">docs/lessons.</param>
    public static IReadOnlyDictionary<string, string> Write(string folder)
    {
        string[] lessons = Directory.Exists(folder)
            ? [.. Directory.GetFiles(folder, "*.cs").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])).Order(StringComparer.Ordinal)]
            : [];
        var pages = lessons.ToDictionary(path => PageOf(path), Page);
        if (pages.Count > 0)
        {
            pages["toc.yml"] = Contents(folder, lessons);
        }
        return pages;
    }

    private static string PageOf(string lesson) => Path.GetFileNameWithoutExtension(lesson) + ".md";

    private static string Contents(string folder, string[] lessons)
    {
        var contents = new StringBuilder("# Generated from the lessons, as their pages are.\n");
        var written = Directory.GetFiles(folder, "*.md", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/')).Except(lessons.Select(PageOf))
            .Order(StringComparer.Ordinal);
        foreach (string page in written)
        {
            contents.Append(Entry(page == "README.md" ? "All lessons" : File.ReadLines(Path.Combine(folder, page)).First().TrimStart('#', ' '), page));
        }
        foreach (string lesson in lessons)
        {
            contents.Append(Entry(TitleOf(lesson), PageOf(lesson)));
        }
        return contents.ToString();
    }

    private static string Entry(string name, string page) => $"- name: \"{name.Replace("\"", "\\\"", StringComparison.Ordinal)}\"\n  href: {page}\n";

    private static string TitleOf(string lesson) =>
        File.ReadLines(lesson).First(line => line.StartsWith("// # ", StringComparison.Ordinal))["// # ".Length..];

    private static string Page(string lesson)
    {
        string name = Path.GetFileName(lesson);
        string[] lines = File.ReadAllLines(lesson);
        var parts = new List<string>();
        for (int at = 0; at < lines.Length;)
        {
            bool isText = IsText(lines, at);
            int end = at + 1;
            while (end < lines.Length && (isText ? IsComment(lines[end]) : !IsText(lines, end)))
            {
                end++;
            }
            parts.Add(isText ? Text(lines[at..end]) : Code(name, lines, at, end));
            at = end;
        }
        if (parts is [var directives, var title, ..] && !IsText(lines, 0))
        {
            (parts[0], parts[1]) = (title, directives);
        }
        string output = $"output/{Path.ChangeExtension(name, ".txt")}", exercise = $"exercises/{name}", solution = $"solutions/{name}";
        if (Exists(output))
        {
            parts.Add($"## What it prints\n\n[!code-text[]({output})]\n");
        }
        parts.Add($"The whole program: [{name}]({name}).{(Exists(exercise) ? $" [The exercise]({exercise})" : "")}"
            + $"{(Exists(solution) ? $", and [its solution]({solution})" : "")}\n");
        return string.Join('\n', parts.Where(part => part.Length > 0));

        bool Exists(string file) => File.Exists(Path.Combine(Path.GetDirectoryName(lesson)!, file));
    }

    /// <summary>Whether a comment begins here that stands by itself: empty lines, or the file's ends, before and after it.</summary>
    private static bool IsText(string[] lines, int at)
    {
        if (!IsComment(lines[at]) || (at > 0 && lines[at - 1].Length > 0))
        {
            return false;
        }
        int end = Array.FindIndex(lines, at, line => !IsComment(line));
        return end < 0 || lines[end].Length == 0;
    }

    private static bool IsComment(string line) =>
        line.StartsWith("//", StringComparison.Ordinal) && !line.StartsWith("///", StringComparison.Ordinal);

    /// <summary>Comment lines as Markdown. Indented lines after an empty one, equations and commands, keep their form.</summary>
    private static string Text(string[] comment)
    {
        var text = new StringBuilder();
        int? indent = null; // of the equation or command that the line belongs to
        bool afterEmpty = true;
        foreach (string line in comment.Select(line => line.Length > 3 ? line[3..] : ""))
        {
            int spaces = line.Length - line.TrimStart(' ').Length;
            if (indent is null && afterEmpty && spaces >= 2)
            {
                indent = spaces;
                text.Append("```text\n");
            }
            else if (indent is not null && spaces < 2)
            {
                indent = null;
                text.Append("```\n");
            }
            text.Append(indent is { } skipped ? line[Math.Min(skipped, spaces)..] : line.Replace("<", "\\<", StringComparison.Ordinal)).Append('\n');
            afterEmpty = line.Length == 0;
        }
        return text.Append(indent is null ? "" : "```\n").ToString();
    }

    /// <summary>Code as an include of its lines, without empty ones around it.</summary>
    private static string Code(string name, string[] lines, int from, int end)
    {
        while (from < end && lines[from].Length == 0)
        {
            from++;
        }
        while (end > from && lines[end - 1].Length == 0)
        {
            end--;
        }
        return from < end ? $"[!code-csharp[]({name}#L{from + 1}-L{end})]\n" : "";
    }
}
