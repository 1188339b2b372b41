using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Tests.Docs.Snippets;

internal static class PromptAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(new PromptTuningConfig { NumVirtualTokens = 8, Init = PromptInit.SampleVocab }, "task");
        model.AddAdapter(new MultitaskPromptTuningConfig { NumVirtualTokens = 8, NumTasks = 3, NumRanks = 2 }, "tasks");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
