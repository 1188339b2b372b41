using PeftCore.Peft;
using PeftCore.Peft.VbLora;

namespace PeftCore.Tests.Docs.Snippets;

internal static class VectorBankAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new VbLoraConfig
        {
            Rank = 4,
            Vectors = 90,
            VectorLength = 16,
            SaveOnlyTopK = true,
            TargetModules = ModuleSelector.Of("q_proj", "v_proj"),
        }, "bank");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
