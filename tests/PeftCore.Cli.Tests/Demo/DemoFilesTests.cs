using PeftCore.Data;

namespace PeftCore.Cli.Tests.Demo;

/// <summary>The files that the demo needs, in the directory of the program.</summary>
public sealed class DemoFilesTests
{
    private static readonly string[] Fields = ["Who", "What", "Where", "Day", "Time"];

    private static readonly string Data = Path.Combine(AppContext.BaseDirectory, "Demo", "data");

    [Test]
    public void The_model_and_the_data_lie_beside_the_program()
    {
        string model = Path.Combine(AppContext.BaseDirectory, "Demo", "base-llama");

        var run = ToolRun.Of("inspect", model, "--json");

        Assert.That(run.Json.GetProperty("parameters").GetInt64(), Is.EqualTo(3_221_952));
        Assert.That(Rows("train"), Has.Count.InRange(300, 400));
        Assert.That(Rows("valid"), Has.Count.InRange(40, 60));
    }

    [Test]
    public void No_sentence_stands_twice_or_in_both_files()
    {
        List<string> all = [.. Rows("train").Concat(Rows("valid")).Select(row => row.Prompt)];

        Assert.That(all, Is.Unique);
    }

    [TestCase("train")]
    [TestCase("valid")]
    public void Every_record_says_what_its_sentence_says(string part)
    {
        foreach (var row in Rows(part))
        {
            string[][] lines = [.. row.Completion.Split('\n').Select(line => line.Split(": ", 2))];
            Assert.That(lines.Select(line => line[0]), Is.EqualTo(Fields), row.Prompt);
            foreach (string value in lines.SelectMany(line => line[1].Split(" and ")).Where(value => value != "not said"))
            {
                Assert.That(row.Prompt, Does.Contain(value).IgnoreCase);
            }
        }
    }

    private static List<PromptRow> Rows(string part) => [.. DataFiles.ReadFile(Path.Combine(Data, part + ".jsonl")).Cast<PromptRow>()];
}
