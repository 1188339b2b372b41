using PeftCore.Peft;
using PeftCore.Peft.Boft;

namespace PeftCore.Tests.Docs.Snippets;

internal static class BoftAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new BoftConfig { BlockSize = 4, ButterflyFactors = 2, TargetModules = ModuleSelector.Of("q_proj", "v_proj") },
            "butterfly");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
