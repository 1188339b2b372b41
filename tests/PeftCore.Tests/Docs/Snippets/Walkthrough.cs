using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tokenizers;
using PeftCore.Training;

namespace PeftCore.Tests.Docs.Snippets;

internal static class Walkthrough
{
    public static IReadOnlyDictionary<string, double> Run(string modelDirectory, string trainFile, string testFile, string outputDirectory)
    {
        using var backend = new CpuBackend(memoryLimit: 1L << 30);
        var tokenizer = Tokenizer.FromDirectory(modelDirectory);
        var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
        model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 32, Dropout = 0.1, TargetModules = ModuleSelector.Matching("all-linear") });

        var read = new ReadOptions
        {
            Fields = new Dictionary<string, string?> { ["Tweet text"] = "text", ["Label"] = "label", ["ID"] = null },
            LabelSpaces = true,
        };
        var encoder = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 128, Task = model.Base.Task });
        var train = encoder.Encode(DataFiles.ReadFile(trainFile, read));
        var test = encoder.Encode(DataFiles.ReadFile(testFile, read));

        var loader = new DataLoader(train, new LoaderOptions { BatchSize = 8, PadId = tokenizer.PadId ?? 0 });
        new Trainer(model, new TrainerOptions
        {
            LearningRate = 1e-2,
            Epochs = 40,
            Schedule = ScheduleKind.Linear,
            WarmupRatio = 0.1,
            OutputDirectory = outputDirectory,
        }, loader).Run();
        var scores = Evaluation.OfTexts(model.Base, test, tokenizer);
        Console.WriteLine($"accuracy {scores["accuracy"]}, macro F1 {scores["f1"]}");
        return scores;
    }
}
