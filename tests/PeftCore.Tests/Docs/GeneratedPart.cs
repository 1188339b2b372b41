namespace PeftCore.Tests.Docs;

/// <summary>A part of a page that is generated: what is between two markers, which are comments of Markdown.</summary>
internal static class GeneratedPart
{
    private const string Update = "PEFTCORE_UPDATE_DOCS";

    /// <summary>Asserts that the part equals a text; with PEFTCORE_UPDATE_DOCS=1 writes the text there instead.</summary>
    /// <param name="page">Path of the page.</param>
    /// <param name="start">The marker before the part.</param>
    /// <param name="end">The marker after it.</param>
    /// <param name="expected">The text.</param>
    public static void Check(string page, string start, string end, string expected)
    {
        string text = File.ReadAllText(page);
        int before = text.IndexOf(start, StringComparison.Ordinal), from = before + start.Length;
        int to = before < 0 ? -1 : text.IndexOf(end, from, StringComparison.Ordinal);
        Assert.That(to, Is.Not.Negative, $"{Path.GetFileName(page)} needs the lines {start} and {end}");
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(page, text[..from] + expected + text[to..]);
            return;
        }
        Assert.That(text[from..to], Is.EqualTo(expected), $"run this test once with {Update}=1 and commit {Path.GetFileName(page)}");
    }
}
