using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Kinds;

namespace PeftCore.Tests.Fuzz;

/// <summary>A few inputs of every kind that the fuzzer makes; its own program reads them by the million.</summary>
public sealed class FuzzKindTests
{
    private const ulong Seed = 20_260;

    private static IEnumerable<string> Kinds => FuzzKinds.All.Select(kind => kind.Name);

    [TestCase("safetensors", 5000)]
    [TestCase("config", 1500)]
    [TestCase("adapter", 1500)]
    [TestCase("tokenizer", 300)]
    [TestCase("template", 1000)]
    [TestCase("data", 4000)]
    public void Inputs_are_refused_in_one_sentence_or_read_as_they_are_meant(string name, int count)
    {
        using var directory = new TemporaryDirectory();

        var tally = new FuzzRun(FuzzKinds.Get(name), Seed, count, directory.FullPath).Run(threads: 2);

        using var report = new StringWriter();
        Report.Write(report, [tally]);
        Assert.That(tally.Inputs, Is.EqualTo(count));
        Assert.That(tally.Failures, Is.Zero, report.ToString());
        Assert.That(tally[Outcome.Refused], Is.InRange(1, count - 1), "some inputs should be refused, and some read");
    }

    [TestCaseSource(nameof(Kinds))]
    public void An_input_can_be_made_again_from_its_index(string name)
    {
        var kind = FuzzKinds.Get(name);
        for (long index = 0; index < 20; index++)
        {
            FuzzInput first = kind.Make(FuzzRandom.For(Seed, name, index)), second = kind.Make(FuzzRandom.For(Seed, name, index));
            Assert.That(second.Rule, Is.EqualTo(first.Rule));
            Assert.That(second.Files, Is.EqualTo(first.Files).Using<FuzzFile>((a, b) => a.Name == b.Name
                && a.Bytes.SequenceEqual(b.Bytes)));
        }
    }
}
