using System.Text;
using PeftCore.Cli.Output;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Docs;

/// <summary>README's first screen: its table of what LoRA saves equals the plans. PEFTCORE_UPDATE_DOCS=1 regenerates it.</summary>
public sealed class ReadmeTests
{
    private const string Start = "<!-- saves -->\n", End = "<!-- /saves -->";

    [Test]
    public void What_LoRA_saves_is_what_the_plans_say()
    {
        string page = Path.Combine(Repository.Root, "README.md"), text = File.ReadAllText(page);
        int from = text.IndexOf(Start, StringComparison.Ordinal) + Start.Length, to = text.IndexOf(End, StringComparison.Ordinal);
        Assert.That(from, Is.InRange(Start.Length, to), $"README.md needs the lines {Start} and {End}");
        string expected = Table();
        if (Environment.GetEnvironmentVariable("PEFTCORE_UPDATE_DOCS") == "1")
        {
            File.WriteAllText(page, text[..from] + expected + text[to..]);
            return;
        }

        Assert.That(text[from..to], Is.EqualTo(expected), "write the table anew with PEFTCORE_UPDATE_DOCS=1");
    }

    private static string Table()
    {
        var table = new StringBuilder($"| a step of {BundledSteps.Rows} × {BundledSteps.Tokens} tokens | every weight trains | ")
            .Append($"LoRA of rank {BundledSteps.Rank} on q and v |\n| --- | ---: | ---: |\n");
        Row("numbers that train", plan => $"{plan.TrainableParameters:N0}");
        // A gradient and two moments in F32; the moments are in the plan's peak, gradients are allocated in backward.
        Row("their gradients and AdamW's moments", plan => Size(plan.AtPeak[MemoryKind.Optimizer] + sizeof(float) * plan.TrainableParameters));
        Row("activations saved for backward", plan => Size(plan.SavedBytes));
        Row("peak memory", plan => Size(plan.PeakBytes));
        Row("weights to store for the task", plan => Size(plan.AtPeak[MemoryKind.Trainable]));
        return table.ToString();

        void Row(string what, Func<MemoryPlan, string> value) =>
            table.Append($"| {what} | {value(BundledSteps.Full)} | {value(BundledSteps.Lora)} |\n");
    }

    private static string Size(long bytes) => $"{new ByteSize(bytes)}";
}
