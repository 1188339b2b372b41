using PeftCore.Peft;
using PeftCore.Peft.Vera;

namespace PeftCore.Tests.Docs.Snippets;

internal static class VeraAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new VeraConfig { Rank = 256, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "vectors");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
