using PeftCore.Peft;
using PeftCore.Peft.LoKr;

namespace PeftCore.Tests.Docs.Snippets;

internal static class LoKrAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new LoKrConfig { Rank = 4, Alpha = 8, DecomposeFactor = 8, TargetModules = ModuleSelector.Of("q_proj", "v_proj") },
            "kronecker");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
