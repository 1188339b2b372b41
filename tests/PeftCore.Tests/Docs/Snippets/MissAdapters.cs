using PeftCore.Peft;
using PeftCore.Peft.Miss;

namespace PeftCore.Tests.Docs.Snippets;

internal static class MissAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new MissConfig { Rank = 8, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "shards");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
