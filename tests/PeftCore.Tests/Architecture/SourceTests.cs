namespace PeftCore.Tests.Architecture;

/// <summary>What the sources look like.</summary>
public sealed class SourceTests
{
    private const int LongestFile = 400;

    private static readonly char Separator = Path.DirectorySeparatorChar;

    private static IEnumerable<string> Sources =>
        from top in new[] { "src", "kernels", "tests", "bench" }
        from file in Directory.EnumerateFiles(Path.Combine(TestFiles.Root, top), "*.cs", SearchOption.AllDirectories)
        where !file.Contains($"{Separator}obj{Separator}") && !file.Contains($"{Separator}bin{Separator}")
        select file;

    [Test]
    public void No_file_is_longer_than_anyone_wants_to_read()
    {
        IEnumerable<string> tooLong = Sources.Where(file => File.ReadLines(file).Count() > LongestFile);

        Assert.That(tooLong, Is.Empty, $"more than {LongestFile} lines: split them");
    }

    [Test]
    public void No_source_names_a_place_on_one_machine()
    {
        string[] places = ["/" + "home/", "/" + "work/", "/" + "root/", "/" + "Users/", "C:" + "\\Users"];
        IEnumerable<string> found = Sources.Where(file => places.Any(File.ReadAllText(file).Contains));

        Assert.That(found, Is.Empty);
    }
}
