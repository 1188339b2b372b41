using System.Text;
using PeftCore.Peft;

namespace PeftCore.Tests.Docs;

/// <summary>The tables of fields in docs/methods equal the methods' field rows. PEFTCORE_UPDATE_DOCS=1 regenerates them.</summary>
public sealed class FieldTableTests
{
    private const string End = "<!-- /fields -->";

    private static readonly string Folder = Path.Combine(TestFiles.Root, "docs", "methods");

    private static IEnumerable<string> Methods() => PeftConfig.MethodNames;

    [TestCaseSource(nameof(Methods))]
    public void Its_page_has_a_table_of_all_its_fields(string method)
    {
        string start = $"<!-- fields: {method} -->";
        string[] pages = [.. Directory.GetFiles(Folder, "*.md").Where(page => File.ReadAllText(page).Contains(start))];
        Assert.That(pages, Has.Length.EqualTo(1), $"one page of docs/methods needs the lines {start} and {End}");
        GeneratedPart.Check(pages[0], start, End, Table(PeftConfig.FieldsOf(method)));
    }

    [TestCaseSource(nameof(Methods))]
    public void Each_of_its_fields_has_a_sentence(string method) => Assert.That(
        PeftConfig.FieldsOf(method).Where(field => !field.Help.EndsWith('.') || field.Expected == "" || field.Default == "")
            .Select(field => field.Name), Is.Empty);

    private static string Table(IReadOnlyList<ConfigField> fields)
    {
        var table = new StringBuilder("\n| field | value | default | meaning |\n| --- | --- | --- | --- |\n");
        foreach (var field in fields)
        {
            table.Append($"| `{field.Name}` | {Cell(field.Expected)} | `{Cell(field.Default)}` | {Cell(field.Help)} |\n");
        }
        return table.ToString();
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
