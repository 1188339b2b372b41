using PeftCore.Peft;
using PeftCore.Peft.Selective;

namespace PeftCore.Tests.Docs.Snippets;

internal static class BitFitAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new BitFitConfig(), "biases");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
