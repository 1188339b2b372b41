using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Tests.Docs.Snippets;

internal static class PrefixAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 8 }, "plain");
        model.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 8, PrefixProjection = true, EncoderHiddenSize = 16 }, "projected");
        model.Base.GradientCheckpointing = true;
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
