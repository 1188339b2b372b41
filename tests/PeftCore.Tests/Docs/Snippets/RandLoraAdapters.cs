using PeftCore.Peft;
using PeftCore.Peft.RandLora;

namespace PeftCore.Tests.Docs.Snippets;

internal static class RandLoraAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new RandLoraConfig { Rank = 8, Alpha = 160, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "bases");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
