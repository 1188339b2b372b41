using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftCore.Docs.Tests;

/// <summary>Every lesson of docs/lessons claims what holds and prints what stands in its output file; every exercise's check refuses the
/// gap and accepts the solution.</summary>
[NonParallelizable]
public sealed partial class LessonTests
{
    private const int MostLinesOfCode = 150;

    private static readonly string Lessons = Path.Combine(TestFiles.Root, "docs", "lessons");

    private static IEnumerable<string> Names =>
        Directory.GetFiles(Lessons, "*.cs").Select(path => Path.GetFileNameWithoutExtension(path)).Order();

    [TestCaseSource(nameof(Names))]
    public void Its_claims_hold_and_it_prints_its_output_file(string name)
    {
        var (code, output) = Compile(Path.Combine(Lessons, name + ".cs")).Run();

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("✓ "), "a lesson claims something");
        string file = Path.Combine(Lessons, "output", name + ".txt");
        if (Environment.GetEnvironmentVariable("PEFTCORE_UPDATE_DOCS") == "1")
        {
            File.WriteAllText(file, output);
        }
        AssertSameText(output, File.ReadAllText(file), file);
    }

    [TestCaseSource(nameof(Names))]
    public void It_is_short_and_explains_as_much_as_it_computes(string name)
    {
        string[] lines = [.. File.ReadLines(Path.Combine(Lessons, name + ".cs")).Select(line => line.Trim()).Where(line => line != "")];
        int comments = lines.Count(line => line.StartsWith("//", StringComparison.Ordinal)), code = lines.Length - comments;

        Assert.That(code, Is.LessThan(MostLinesOfCode));
        Assert.That(comments, Is.GreaterThan(20));
        Assert.That(lines, Has.Some.Matches($"^// # Lesson {int.Parse(name[..2], CultureInfo.InvariantCulture)}: "));
        Assert.That(lines, Has.Member($"//   dotnet run docs/lessons/{name}.cs"));
    }

    [TestCaseSource(nameof(Names))]
    public void Its_exercise_refuses_the_gap_and_accepts_the_solution(string name)
    {
        string exercise = Path.Combine(Lessons, "exercises", name + ".cs");
        Assert.That(File.ReadAllText(exercise), Does.Contain($"dotnet run docs/lessons/exercises/{name}.cs -- --check"));

        var program = Compile(exercise);
        var (code, output) = program.Run();
        Assert.That((code, output.Contains(name + ".cs -- --check", StringComparison.Ordinal)), Is.EqualTo((0, true)),
            "it says how to check");
        (code, output) = program.Run("--check");
        Assert.That(output, Does.StartWith("not solved yet: "));
        Assert.That(code, Is.EqualTo(1));

        (code, output) = Compile(Path.Combine(Lessons, "solutions", name + ".cs")).Run("--check");
        Assert.That(output, Does.StartWith("right: "));
        Assert.That(code, Is.Zero);
    }

    [Test]
    public void A_claim_that_does_not_hold_ends_the_lesson()
    {
        string shared = Path.Combine(Lessons, "shared", "Lesson.cs");
        var program = SourceProgram.Compile("lesson_wrong", ["static Lesson"],
            ("wrong.cs", """Claim(1 + 1 == 3, "one and one is three");"""), (shared, File.ReadAllText(shared)));

        Assert.That(() => program.Run(),
            Throws.InvalidOperationException.With.Message.EqualTo("This claim does not hold: one and one is three"));
    }

    [Test]
    public void The_index_links_every_lesson_exercise_and_solution()
    {
        string page = File.ReadAllText(Path.Combine(Lessons, "README.md"));
        var links = Names.SelectMany(name => new[] { name + ".cs", $"exercises/{name}.cs", $"solutions/{name}.cs", $"output/{name}.txt" });
        Assert.That(links.Where(link => !page.Contains($"]({link})", StringComparison.Ordinal)), Is.Empty);
    }

    private static SourceProgram Compile(string path)
    {
        string shared = Path.Combine(Lessons, "shared", "Lesson.cs");
        return SourceProgram.Compile("lesson_" + Path.GetFileNameWithoutExtension(path), ["static Lesson"],
            (path, File.ReadAllText(path)), (shared, File.ReadAllText(shared)));
    }

    /// <summary>Equal but for the last digit of numbers with a point, which may differ by one: a processor with wider vectors adds in
    /// another order, and a number next to the middle of two printed ones is then rounded to the other side.</summary>
    private static void AssertSameText(string text, string expected, string what)
    {
        Assert.That(Number().Replace(text, "0.0"), Is.EqualTo(Number().Replace(expected, "0.0")), what);
        foreach (var (found, wanted) in Number().Matches(text).Zip(Number().Matches(expected)))
        {
            double unit = Math.Pow(10, -(wanted.Value.Length - wanted.Value.IndexOf('.', StringComparison.Ordinal) - 1));
            Assert.That(Of(found), Is.EqualTo(Of(wanted)).Within(1.01 * unit), $"{what}: {found.Value} for {wanted.Value}");
        }

        static double Of(Match number) => double.Parse(number.Value, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\d+\.\d+")]
    private static partial Regex Number();
}
