using PeftCore.Peft;
using PeftCore.Peft.Selective;

namespace PeftCore.Tests.Docs.Snippets;

internal static class LastLayerAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new LastLayersConfig { NumTrainedLayers = 1 }, "last");
        model.AddAdapter(new HeadConfig(), "head");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
