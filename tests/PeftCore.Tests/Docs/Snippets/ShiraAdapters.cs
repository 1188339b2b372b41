using PeftCore.Peft;
using PeftCore.Peft.Shira;

namespace PeftCore.Tests.Docs.Snippets;

internal static class ShiraAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new ShiraConfig { Rank = 2, RandomSeed = 7, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "sparse");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
