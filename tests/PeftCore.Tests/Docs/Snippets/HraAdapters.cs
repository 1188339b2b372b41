using PeftCore.Peft;
using PeftCore.Peft.Hra;

namespace PeftCore.Tests.Docs.Snippets;

internal static class HraAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new HraConfig { Rank = 8, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "reflected");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
