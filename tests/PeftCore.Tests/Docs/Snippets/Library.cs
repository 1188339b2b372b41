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
    public static void Run()
    {
        string modelDirectory = "./base-llama", dataFile = "./train.jsonl", outputDirectory = "./adapter";
        Run(modelDirectory, dataFile, outputDirectory);
    }

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
        var options = new TrainerOptions { LearningRate = 3e-3, MaxSteps = 120, OutputDirectory = outputDirectory };
        var trainer = new Trainer(model, options, loader);
        trainer.StepDone += progress => Console.WriteLine($"step {progress.Step} of {progress.TotalSteps}, loss {progress.Loss:0.000}");
        trainer.Run();

        string prompt = "On Tuesday at one o'clock Miss Harper is to have tea with Margaret at the inn.\n";
        var answer = new Generator(model.Base, backend).Generate([.. tokenizer.Encode(prompt).Ids],
            new GenerationOptions { MaxNewTokens = 40 });
        Console.WriteLine(tokenizer.Decode([.. answer.Tokens]));
    }
}
