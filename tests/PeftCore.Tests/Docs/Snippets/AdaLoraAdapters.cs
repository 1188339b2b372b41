using PeftCore.Peft;
using PeftCore.Peft.AdaLora;

namespace PeftCore.Tests.Docs.Snippets;

internal static class AdaLoraAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new AdaLoraConfig
        {
            InitialRank = 12,
            TargetRank = 8,
            InitialSteps = 100,
            FinalSteps = 200,
            TotalSteps = 1000,
            TargetModules = ModuleSelector.Of("q_proj", "v_proj"),
        }, "budget");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
