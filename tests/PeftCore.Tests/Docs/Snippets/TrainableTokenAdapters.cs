using PeftCore.Peft;
using PeftCore.Peft.Selective;

namespace PeftCore.Tests.Docs.Snippets;

internal static class TrainableTokenAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new TrainableTokensConfig { TokenIndices = [11, 12, 13] }, "new words");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
