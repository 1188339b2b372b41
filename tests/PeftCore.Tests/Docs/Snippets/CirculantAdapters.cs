using PeftCore.Peft;
using PeftCore.Peft.C3a;

namespace PeftCore.Tests.Docs.Snippets;

internal static class CirculantAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new C3aConfig { BlockSize = 8, Init = C3aInit.Zero, TargetModules = ModuleSelector.Of("q_proj", "v_proj") },
            "circulant");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
