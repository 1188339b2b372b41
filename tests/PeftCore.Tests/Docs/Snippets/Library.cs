using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tokenizers;
using PeftCore.Training;

namespace PeftCore.Tests.Docs.Snippets;

internal static class Library
{
    public static void Run(string modelDirectory, string dataFile, string outputDirectory)
    {
        using var backend = new CpuBackend();
        var tokenizer = Tokenizer.FromDirectory(modelDirectory);
        var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
        model.AddAdapter(new LoraConfig { Rank = 16, Alpha = 32, TargetModules = ModuleSelector.Matching("all-linear") });
        Console.WriteLine(model.TrainableSummary);

        var rows = DataFiles.Open(dataFile).RequireTrain();
        var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 128, MaskPrompt = true }).Encode(rows);
        var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 8, PadId = tokenizer.PadId ?? 0 });
        new Trainer(model, new TrainerOptions { LearningRate = 1e-3, MaxSteps = 20, OutputDirectory = outputDirectory }, loader).Run();

        var answer = new Generator(model.Base, backend).Generate([.. tokenizer.Encode("It was a dark night").Ids],
            new GenerationOptions { MaxNewTokens = 20 });
        Console.WriteLine(tokenizer.Decode([.. answer.Tokens]));
    }
}
