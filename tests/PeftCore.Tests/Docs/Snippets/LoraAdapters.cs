using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Docs.Snippets;

internal static class LoraAdapters
{
    public static void Run(string modelDirectory, string outputDirectory, string mergedDirectory)
    {
        using var backend = new CpuBackend();
        var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
        model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Of("q_proj", "v_proj") }, "style");
        model.AddAdapter(new LoraConfig
        {
            Rank = 4, UseDora = true, Bias = BiasMode.LoraOnly,
            TargetModules = ModuleSelector.Matching("all-linear")
        }, "task");
        Console.WriteLine(model.TrainableSummary);

        model.Save(outputDirectory);
        model.Load(Path.Combine(outputDirectory, "style"), "copy");
        model.SetActive("style", "copy");
        model.AddWeightedAdapter(["style", "copy"], [0.5, 0.5], "mean", CombinationType.Cat);
        model.SetActive("mean");
        ModelWriter.Save(model.MergeAndUnload(), mergedDirectory, modelDirectory);
    }
}
