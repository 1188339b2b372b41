using System.Text.RegularExpressions;

namespace PeftCore.Tests.Architecture;

/// <summary>Rules for the text of the sources.</summary>
public sealed partial class SourceTests
{
    private const int LongestFile = 400, LongestLine = 140;

    private static readonly char Separator = Path.DirectorySeparatorChar;

    private static IEnumerable<string> Sources =>
        from top in new[] { "src", "kernels", "tests", "bench" }
        from file in Directory.EnumerateFiles(Path.Combine(TestFiles.Root, top), "*.cs", SearchOption.AllDirectories)
        where !file.Contains($"{Separator}obj{Separator}") && !file.Contains($"{Separator}bin{Separator}")
        select file;

    [Test]
    public void No_file_is_longer_than_anyone_wants_to_read()
    {
        var tooLong = Sources.Where(file => File.ReadLines(file).Count() > LongestFile);

        Assert.That(tooLong, Is.Empty, $"more than {LongestFile} lines: split them");
    }

    // Libraries whose lines with a string literal may be longer. The kernels and the tool have no such lines.
    private static readonly string[] LongLiterals =
        ["PeftCore", "PeftCore.Extensions.AI", "PeftCore.Ilgpu", "PeftCore.Server", "PeftCore.Tokenizers"];

    /// <summary>Lines of raw strings in kernels, libraries, tests and benchmarks, and lines with a string literal in all of these but the
    /// kernels, may be longer.</summary>
    [Test]
    public void No_line_of_code_is_longer_than_the_editor_shows()
    {
        var found =
            from file in Sources
            from line in LongLines(File.ReadAllLines(file), Path.GetRelativePath(TestFiles.Root, file).Split(Separator))
            select $"{Path.GetFileName(file)}:{line}";

        Assert.That(found, Is.Empty, $"more than {LongestLine} columns: break them");
    }

    private static IEnumerable<int> LongLines(string[] lines, string[] path)
    {
        bool exemptRaw = path[0] != "src" || LongLiterals.Contains(path[1]), exemptLiterals = exemptRaw && path[0] != "kernels";
        bool inRaw = false;
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length > LongestLine && !(exemptRaw && inRaw) && !(exemptLiterals && lines[i].Contains('"')))
            {
                yield return i + 1;
            }
            inRaw ^= lines[i].Split("\"\"\"").Length % 2 == 0;
        }
    }

    [Test]
    public void No_source_names_a_place_on_one_machine()
    {
        string[] places = ["/" + "home/", "/" + "work/", "/" + "root/", "/" + "Users/", "C:" + "\\Users"];
        var found = Sources.Where(file => places.Any(File.ReadAllText(file).Contains));

        Assert.That(found, Is.Empty);
    }

    /// <summary>By default .NET reads "0,0001" as 1 and uses the separators of the machine's culture. Templates read numbers as Python does
    /// and are compared with it.</summary>
    [Test]
    public void Numbers_are_read_in_one_place_or_with_the_styles_written_out()
    {
        string template = $"{Separator}Jinja{Separator}";
        var found =
            from file in Sources
            where file.Contains($"{Separator}src{Separator}") && !file.Contains(template)
            from line in File.ReadAllLines(file).Select((text, number) => (text, number: number + 1))
            where NumberParse().IsMatch(line.text) && !line.text.Contains("NumberStyles.")
            && !line.text.Contains("Styles, CultureInfo.InvariantCulture")
            select $"{Path.GetFileName(file)}:{line.number}";

        Assert.That(found, Is.Empty, "read numbers with NumberText, or write the styles out");
    }

    [GeneratedRegex(@"\b(s?byte|u?short|u?int|u?long|n?u?int|Half|float|double|decimal|BigInteger|Int\d+|UInt\d+|Single|Double|Decimal)\.(Try)?Parse\(|\bConvert\.To(S?Byte|U?Int\d+|Single|Double|Decimal)\((?!.*, 8\))")]
    private static partial Regex NumberParse();
}
