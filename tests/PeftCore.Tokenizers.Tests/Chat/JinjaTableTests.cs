using System.Text.RegularExpressions;

namespace PeftCore.Tokenizers.Tests.Chat;

/// <summary>The table of docs/chat-templates.md against what is registered.</summary>
public sealed class JinjaTableTests
{
    private static IEnumerable<TestCaseData> Kinds()
    {
        yield return Case("tags", JinjaParser.Tags);
        yield return Case("filters", JinjaFilters.Names);
        yield return Case("tests", JinjaTests.Names);
        yield return Case("functions", JinjaGlobals.Names);
        foreach (var (type, methods) in JinjaMethods.Names)
        {
            yield return Case($"methods of {type}", methods);
        }

        static TestCaseData Case(string kind, IEnumerable<string> names) => new(kind, names.ToArray());
    }

    [TestCaseSource(nameof(Kinds))]
    public void The_documentation_names_all_there_is_and_no_more(string kind, string[] names)
    {
        string row = File.ReadLines(Path.Combine(TestFiles.Root, "docs", "chat-templates.md"))
            .Single(l => l.StartsWith($"| {kind} |", StringComparison.Ordinal));

        Assert.That(Regex.Matches(row, "`([^`]+)`").Select(m => m.Groups[1].Value), Is.EquivalentTo(names));
    }

    [Test]
    public void All_filters_and_tests_of_jinja_are_registered()
    {
        const string Filters =
            "abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format groupby " +
            "indent int "
            + "items join last length list lower map max min pprint random reject rejectattr replace reverse round safe select " +
            "selectattr slice sort string "
            + "striptags sum title tojson trim truncate unique upper urlencode urlize wordcount wordwrap xmlattr";
        const string Tests =
            "!= < <= == > >= boolean callable defined divisibleby eq equalto escaped even false filter float ge greaterthan gt in " +
            "integer iterable "
            + "le lessthan lower lt mapping ne none number odd sameas sequence string test true undefined upper";

        Assert.That(JinjaFilters.Names, Is.EquivalentTo(Filters.Split(' ')));
        Assert.That(JinjaTests.Names, Is.EquivalentTo(Tests.Split(' ')));
    }
}
