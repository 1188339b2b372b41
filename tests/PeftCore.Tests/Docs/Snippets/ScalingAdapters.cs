using PeftCore.Peft;
using PeftCore.Peft.Ia3;

namespace PeftCore.Tests.Docs.Snippets;

internal static class ScalingAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new Ia3Config
        {
            TargetModules = ModuleSelector.Of("k_proj", "v_proj", "down_proj"),
            FeedforwardModules = ModuleSelector.Of("down_proj"),
        }, "few-shot");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
