using PeftCore.Fuzz.Engine;

namespace PeftCore.Tests.Fuzz;

/// <summary>The fuzzer classifies each fault correctly.</summary>
public sealed class FuzzRunTests
{
    private const double Patience = 0.05;

    [TestCase("fine", nameof(Expectation.Any), ExpectedResult = "Accepted")]
    [TestCase("fine", nameof(Expectation.Accept), ExpectedResult = "Accepted")]
    [TestCase("fine", nameof(Expectation.Refuse), ExpectedResult = "Silent")]
    [TestCase("fine", nameof(Expectation.RefuseOrWarn), ExpectedResult = "Silent")]
    [TestCase("warn", nameof(Expectation.RefuseOrWarn), ExpectedResult = "Warned")]
    [TestCase("warn of something else", nameof(Expectation.RefuseOrWarn), ExpectedResult = "Silent")]
    [TestCase("differ", nameof(Expectation.Any), ExpectedResult = "Silent")]
    [TestCase("refuse", nameof(Expectation.RefuseOrWarn), ExpectedResult = "Refused")]
    [TestCase("refuse", nameof(Expectation.Accept), ExpectedResult = "WronglyRefused")]
    [TestCase("refuse without a place", nameof(Expectation.Any), ExpectedResult = "Unclear")]
    [TestCase("crash", nameof(Expectation.Refuse), ExpectedResult = "Crash")]
    [TestCase("work", nameof(Expectation.Any), ExpectedResult = "Hang")]
    public string Each_outcome_is_counted_under_its_name(string act, string expectation)
    {
        using var directory = new TemporaryDirectory();

        var tally = new FuzzRun(new OneAct(act, Enum.Parse<Expectation>(expectation)), 1, 1,
            directory.FullPath)
        { Patience = Patience }.Run(threads: 1);

        return Enum.GetValues<Outcome>().Single(outcome => tally[outcome] == 1).ToString();
    }

    private sealed class OneAct(string act, Expectation expectation) : FuzzKind
    {
        public override string Name => "act";

        public override int Share => 100;

        public override FuzzInput Make(FuzzRandom random) => new("a rule", expectation, new FuzzFile("a", act)) { Names = ["field"] };

        public override FuzzSubject Open(string directory) => new Actor(directory);
    }

    private sealed class Actor(string directory) : FuzzSubject(directory)
    {
        public override Reading Read(FuzzInput input)
        {
            switch (System.Text.Encoding.UTF8.GetString(input["a"]))
            {
                case "warn":
                    return new Reading(["the field is odd"]);
                case "warn of something else":
                    return new Reading(["odd"]);
                case "differ":
                    return new Reading([], "a value differs");
                case "refuse":
                    throw new BadInputException($"{Directory}: no.");
                case "refuse without a place":
                    throw new BadInputException("no.");
                case "crash":
                    throw new InvalidOperationException("broken");
                case "work":
                    // Work is processor time, so that what waits for a busy machine is not counted.
                    for (double end = ThreadClock.Seconds(ThreadClock.CurrentThread) +
                        Patience; ThreadClock.Seconds(ThreadClock.CurrentThread) <= end;)
                    {
                    }
                    break;
            }
            return Reading.Silent;
        }
    }
}
