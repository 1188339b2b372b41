using System.Text;
using PeftCore.Cli.Output;
using PeftCore.Io;

namespace PeftCore.Cli.Explain;

/// <summary>Writes the page of explain: one file with its styles, its script and the JSON report, which loads nothing.</summary>
internal static class ExplainPage
{
    private const string Folder = "PeftCore.Cli.Explain.";

    /// <summary>The page of a report.</summary>
    public static string Of(JsonReport report) => Part("page.html")
        .Replace("/*styles*/", Part("page.css"), StringComparison.Ordinal)
        .Replace("/*script*/", Part("page.js"), StringComparison.Ordinal)
        // In JSON "<" occurs in strings alone; escaped, none of them can end the script element.
        .Replace("/*report*/", report.ToJson().Replace("<", "\\u003c", StringComparison.Ordinal), StringComparison.Ordinal);

    /// <summary>Writes the page to a file.</summary>
    /// <exception cref="BadInputException">The file cannot be written.</exception>
    public static void Write(string path, JsonReport report)
    {
        try
        {
            File.WriteAllText(path, Of(report), new UTF8Encoding(false));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
    }

    private static string Part(string name)
    {
        using var stream = typeof(ExplainPage).Assembly.GetManifestResourceStream(Folder + name)!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
