using System.Text.RegularExpressions;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>docs/walkthrough.md: its commands, run on a few rows in the form of the data set of the page.</summary>
public sealed partial class WalkthroughTests
{
    private const string Rows = """
        "@BlueTrain the 8:15 is late again, no word from anyone",complaint
        @BlueTrain when does the last train to the lake go?,no complaint
        @CityBank your app is broken since Monday,complaint
        "Good morning from the hills, what a view",no complaint
        @GreenPhone my order is lost and nobody answers,complaint
        "@CityBank thank you, that was quick!",no complaint
        "Still no water in the flat, @RiverWater, this is the third day",complaint
        Reading by the fire with a cup of tea,no complaint
        "@FastPost the box came broken, I want my money back",complaint
        @FastPost do you open on Saturday?,no complaint
        "@AirNorth two hours late and no seat, thanks for nothing",complaint
        "We won 3:1 tonight, what a game",no complaint
        My new @Lumo lamp is broken after one week,complaint
        @AirNorth great crew on the way to Oslo,no complaint
        "@CityBank I wait on the phone since noon, nobody answers",complaint
        @Lumo which lamp is good for a small desk?,no complaint
        "@BlueTrain no heating in coach 4, it is freezing",complaint
        Happy birthday to my little sister,no complaint
        @GreenPhone the bill is wrong again,complaint
        @RiverWater is the lake open for swimming this week?,no complaint
        """;

    private const string TestRows = """
        @GreenPhone my phone is broken and nobody answers,complaint
        "@AirNorth late again, no word from anyone",complaint
        @FastPost is the shop open on Sunday?,no complaint
        What a morning by the lake,no complaint
        @Lumo the lamp came broken,complaint
        @CityBank thank you for the quick answer,no complaint
        """;

    /// <summary>The test rows with class numbers, as on the Hugging Face hub.</summary>
    private const string Numbered = """
        [
          {"Tweet text": "@GreenPhone my phone is broken and nobody answers", "ID": 50, "Label": 1},
          {"Tweet text": "@AirNorth late again, no word from anyone", "ID": 51, "Label": 1},
          {"Tweet text": "@FastPost is the shop open on Sunday?", "ID": 52, "Label": 2},
          {"Tweet text": "What a morning by the lake", "ID": 53, "Label": 2},
          {"Tweet text": "@Lumo the lamp came broken", "ID": 54, "Label": 1},
          {"Tweet text": "@CityBank thank you for the quick answer", "ID": 55, "Label": 2}
        ]
        """;

    [Test]
    public void The_commands_of_the_walk_through_run_and_the_model_learns_to_write_labels()
    {
        using var directory = new TemporaryDirectory();
        Directory.CreateDirectory(Path.Combine(directory.FullPath, "twitter_complaints"));
        directory.Write("twitter_complaints/train.csv", Table(Rows, 0));
        directory.Write("twitter_complaints/test_labeled.csv", Table(TestRows, 50));
        directory.Write("hub.json", Numbered);
        HubAdapters.Write(directory.FullPath);

        var runs = File.ReadLines(Path.Combine(Repository.Root, "docs", "walkthrough.md")).Where(line => line.StartsWith("peftcore "))
            .Select(command => (Command: command, Run: Run(directory, command))).ToList();

        Assert.That(runs, Has.Count.GreaterThan(12));
        double[] accuracies = [.. runs.Where(run => run.Command.StartsWith("peftcore eval --model base-t5"))
            .Select(run => run.Run.Json.GetProperty("accuracy").GetDouble())];
        Assert.That((accuracies[0], accuracies[^1]), Is.EqualTo((0.0, accuracies[1])), "numbers with names are the same labels");
        Assert.That(accuracies[1], Is.GreaterThan(0.5));

        var train = runs.First(run => run.Command.Contains("out/complaints")).Run;
        Assert.That(train.Error, Does.Contain("accuracy 1.0000 (best)").And.Contain("the longest target 4")
            .And.Contain("test_labeled.csv is not read").And.Contain("the best by accuracy"));
        Assert.That(train.Json.GetProperty("eval_accuracy").GetDouble(), Is.EqualTo(1));
        Assert.That(runs.Where(run => run.Command.Contains("--prompt \"@HelpDesk")).Select(run => run.Run.Json.GetProperty("text").GetString()),
            Has.Exactly(2).Items.And.All.AnyOf("complaint", "no complaint"));
    }

    private static ToolRun Run(TemporaryDirectory directory, string command)
    {
        var run = ToolRun.Of([.. Word().Matches(command).Skip(1).Select(word => Resolved(directory, word.Value.Trim('"'))), "--json"]);
        Assert.That(run.ExitCode, Is.Zero, $"{command}: {run.Error}");
        return run;
    }

    private static string Resolved(TemporaryDirectory directory, string word) => word == "base-t5" ? Bundled.BaseT5
        : word == "hub.json" || word.StartsWith("twitter_complaints") || word.StartsWith("out/") || HubAdapters.Names.Contains(word)
            ? Path.Combine(directory.FullPath, word)
            : word;

    private static string Table(string rows, int first) =>
        "Tweet text,Label,ID\n" + string.Concat(rows.Split('\n').Select((row, i) => $"{row.TrimEnd()},{first + i}\n"));

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Word();
}
