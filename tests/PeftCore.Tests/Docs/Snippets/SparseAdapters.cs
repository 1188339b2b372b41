using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Training;

namespace PeftCore.Tests.Docs.Snippets;

internal static class SparseAdapters
{
    public static void Run(PeftModel model, DataLoader loader, string outputDirectory)
    {
        var scores = WeightSelection.Score(model.Base, SelectionCriterion.Gradient, loader.Epoch());
        var mask = scores.Choose(density: 0.01);
        Console.WriteLine(scores.Report(mask));
        model.AddAdapter(new SparseConfig { Mask = mask, RefineEvery = 100 }, "chosen");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
