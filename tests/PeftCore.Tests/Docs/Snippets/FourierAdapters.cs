using PeftCore.Peft;
using PeftCore.Peft.FourierFt;

namespace PeftCore.Tests.Docs.Snippets;

internal static class FourierAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new FourierFtConfig
        {
            Frequencies = 100, Scaling = 150, InitWeights = true,
            TargetModules = ModuleSelector.Of("q_proj", "v_proj")
        }, "waves");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
