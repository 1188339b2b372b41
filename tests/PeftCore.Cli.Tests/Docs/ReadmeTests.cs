using System.Text;
using PeftCore.Cli.Output;
using PeftCore.Tensors;
using PeftCore.Tests.Docs;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Docs;

/// <summary>README's first screen: its table of what LoRA saves equals the plans. PEFTCORE_UPDATE_DOCS=1 regenerates it.</summary>
public sealed class ReadmeTests
{
    [Test]
    public void What_LoRA_saves_is_what_the_plans_say() =>
        GeneratedPart.Check(Path.Combine(Repository.Root, "README.md"), "<!-- saves -->\n", "<!-- /saves -->", Table());

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
