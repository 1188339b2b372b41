using PeftCore.Peft;
using PeftCore.Peft.Oft;

namespace PeftCore.Tests.Docs.Snippets;

internal static class OftAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new OftConfig { BlockSize = 32, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "turned");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
