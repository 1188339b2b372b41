using PeftCore.Peft;
using PeftCore.Peft.Prompts;

namespace PeftCore.Tests.Docs.Snippets;

internal static class PTuningAdapters
{
    public static void Run(PeftModel model, string checkpointDirectory, string outputDirectory)
    {
        model.AddAdapter(new PTuningConfig
        {
            NumVirtualTokens = 8, EncoderReparameterizationType = PromptNetwork.Lstm, EncoderHiddenSize = 16, EncoderNumLayers = 1,
        }, "task");
        Console.WriteLine(model.TrainableSummary);
        model.SaveState(checkpointDirectory, "task");
        model.LoadState(checkpointDirectory, "task");
        model.Save(outputDirectory);
    }
}
