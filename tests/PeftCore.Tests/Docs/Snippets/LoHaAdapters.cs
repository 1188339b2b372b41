using PeftCore.Peft;
using PeftCore.Peft.LoHa;

namespace PeftCore.Tests.Docs.Snippets;

internal static class LoHaAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new LoHaConfig { Rank = 4, Alpha = 8, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "hadamard");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
