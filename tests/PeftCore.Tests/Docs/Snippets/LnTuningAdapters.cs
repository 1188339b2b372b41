using PeftCore.Peft;
using PeftCore.Peft.Selective;

namespace PeftCore.Tests.Docs.Snippets;

internal static class LnTuningAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new LnTuningConfig(), "norms");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
