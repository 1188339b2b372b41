#:project ../../src/PeftCore/PeftCore.csproj

// Teaches a small model four facts with LoRA and asks for them, before and after. The adapter is saved, loaded on a fresh base, and asked
// again.
//
//   dotnet run -c Release docs/samples/fine-tune-and-ask.cs [directory of a model]

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tokenizers;
using PeftCore.Training;

string directory = args.Length > 0 ? args[0] : "src/PeftCore.Cli/Demo/base-llama";
string adapter = Directory.CreateTempSubdirectory("fine-tune-").FullName;
(string Question, string Answer)[] facts =
[
    ("Where does the ferry to the island leave?\n", "From the north pier."),
    ("When does the shop open?\n", "At nine o'clock."),
    ("Who keeps the key of the tower?\n", "Mrs. Brown."),
    ("What does a ticket cost?\n", "Two pounds."),
];

using var backend = new CpuBackend();
var tokenizer = Tokenizer.FromDirectory(directory);
var model = new PeftModel(ModelLoader.Load(directory, backend));
Ask("before", model);

// Rank-16 factors on every linear layer; the base stays as it is.
model.AddAdapter(new LoraConfig { Rank = 16, Alpha = 32, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });
Console.WriteLine(model.TrainableSummary);
var rows = facts.Select(fact => DataRow.OfPrompt(fact.Question, fact.Answer)).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 64, MaskPrompt = true }).Encode(rows);
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 4, PadId = tokenizer.PadId ?? 0 });
var options = new TrainerOptions { LearningRate = 3e-3, MaxSteps = 40, OutputDirectory = adapter };
var trainer = new Trainer(model, options, loader);
trainer.StepDone += progress =>
{
    if (progress.Step % 10 == 0)
    {
        Console.WriteLine($"step {progress.Step} of {progress.TotalSteps}, loss {progress.Loss:0.000}");
    }
};
trainer.Run();
Ask("after", model);

// The directory holds what Hugging Face PEFT reads: adapter_config.json and adapter_model.safetensors.
var fresh = new PeftModel(ModelLoader.Load(directory, backend));
fresh.Load(adapter);
Ask("loaded again", fresh);
Directory.Delete(adapter, recursive: true);

void Ask(string when, PeftModel asked)
{
    int right = 0;
    foreach (var (question, answer) in facts)
    {
        string said = asked.Generate(question, tokenizer, new GenerationOptions { MaxNewTokens = 16 }).Text;
        bool knows = said.StartsWith(answer, StringComparison.Ordinal);
        right += knows ? 1 : 0;
        Console.WriteLine($"  {question.Trim()} {(knows ? answer : said.Split('\n')[0])}");
    }
    Console.WriteLine($"{when}: {right} of {facts.Length} answers are right");
}
