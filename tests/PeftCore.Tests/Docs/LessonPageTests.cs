namespace PeftCore.Tests.Docs;

/// <summary>The site's pages of the lessons equal what their programs say. PEFTCORE_UPDATE_DOCS=1 regenerates them.</summary>
public sealed class LessonPageTests
{
    private const string Update = "PEFTCORE_UPDATE_DOCS", Entry = "- name: Lessons\n  href: lessons/\n  homepage: lessons/README.md\n";

    private static readonly string Folder = Path.Combine(TestFiles.Root, "docs", "lessons"),
        Contents = Path.Combine(TestFiles.Root, "docs", "toc.yml");

    [Test]
    public void The_pages_of_the_lessons_are_what_the_programs_say()
    {
        var pages = LessonPages.Write(Folder);
        string contents = File.ReadAllText(Contents);
        if (Environment.GetEnvironmentVariable(Update) == "1" && pages.Count > 0)
        {
            foreach (var (name, text) in pages)
            {
                File.WriteAllText(Path.Combine(Folder, name), text);
            }
            if (!contents.Contains(Entry, StringComparison.Ordinal))
            {
                contents = contents.Replace("- name: Methods\n", Entry + "- name: Methods\n", StringComparison.Ordinal);
                File.WriteAllText(Contents, contents);
            }
        }
        Assert.That(pages.Where(page => ReadOrNull(Path.Combine(Folder, page.Key)) != page.Value).Select(page => page.Key), Is.Empty,
            $"run this test once with {Update}=1 and commit docs/lessons");
        Assert.That(contents.Contains(Entry, StringComparison.Ordinal), Is.EqualTo(pages.Count > 0), "docs/toc.yml has the lessons if there are any");
    }

    [Test]
    public void The_picture_of_the_first_lesson_is_its_code_and_its_output()
    {
        string? first = Directory.Exists(Folder) ? Directory.GetFiles(Folder, "01-*.cs").SingleOrDefault() : null;
        Assume.That(first, Is.Not.Null, "there are no lessons");
        string picture = Path.Combine(TestFiles.Root, "docs", "pictures", "first-lesson.svg"), expected = LessonPicture.Write(first!);
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(picture, expected);
        }
        Assert.That(ReadOrNull(picture), Is.EqualTo(expected), $"run this test once with {Update}=1 and commit docs/pictures");
    }

    [Test]
    public void Comments_by_themselves_are_text_and_the_rest_is_included_code()
    {
        using var directory = new TemporaryDirectory();
        Directory.CreateDirectory(directory["output"]);
        File.WriteAllText(directory["output", "07-sum.txt"], "3\n");
        File.WriteAllText(directory["README.md"], "# Lessons\n");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(directory["exercises"]).FullName, "07-sum.cs"), "");
        File.WriteAllText(directory["07-sum.cs"], """
            #:project ../x.csproj

            // # Lesson 7: a sum
            //
            //   dotnet run 07-sum.cs
            //
            // One < two.
            //
            //     y = a + b
            //       = b + a
            // follows.

            int a = 1;

            // Two, not three.
            int b = 2;
            Console.WriteLine(a + b);

            // The end.
            """);

        var pages = LessonPages.Write(directory.FullPath);

        Assert.That(pages["07-sum.md"], Is.EqualTo("""
            # Lesson 7: a sum

            ```text
            dotnet run 07-sum.cs
            ```

            One \< two.

            ```text
            y = a + b
              = b + a
            ```
            follows.

            [!code-csharp[](07-sum.cs#L1-L1)]

            [!code-csharp[](07-sum.cs#L13-L17)]

            The end.

            ## What it prints

            [!code-text[](output/07-sum.txt)]

            The whole program: [07-sum.cs](07-sum.cs). [The exercise](exercises/07-sum.cs)

            """));
        Assert.That(pages["toc.yml"], Does.Contain("- name: \"All lessons\"\n  href: README.md\n- name: \"Lesson 7: a sum\"\n  href: 07-sum.md\n"));
    }

    private static string? ReadOrNull(string path) => File.Exists(path) ? File.ReadAllText(path) : null;
}
