#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 11: catastrophic forgetting, measured
//
//   dotnet run docs/lessons/11-forgetting.cs
//
// A network that learns a new task loses an old one (McCloskey and Cohen 1989): nothing in the new loss holds the old abilities. For a
// language model there is a simple measure. Keep some text of the old kind aside and compare its loss before and after:
//
//     learned  = loss on the new task before − after            forgotten = loss on the old text after − before
//
// Methods are comparable only together with what they learned: who learns nothing forgets nothing.

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Selective;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

using var backend = new CpuBackend();
using var scope = new TensorScope();
var tokenizer = Tokenizer.FromDirectory(BaseModel);

// ## 1. The new task and the old text
//
// The base model has read stories. The new task is filling in forms, which looks nothing like them.

string[] stories =
[
    "It was a fine morning, and the old gentleman walked slowly down the garden to see whether the roses had come out.",
    "\"I do not know what you mean,\" said the girl, and she looked at her mother as if she had never seen her before.",
    "The captain said that there was no wind, and that they must wait until the evening before the ship could leave.",
    "When he came to the house he found the door open, and nobody in the room but a little dog that lay before the fire.",
];
var old = Loader(stories.Select(text => tokenizer.Encode(text).Ids).Select(ids => new Example(ids, ids)));
var encoder = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true });
var forms = encoder.Encode([.. DataFiles.ReadFile(Path.Combine(Demo, "data", "train.jsonl")).Take(48)]);
var task = Loader(forms);
var held = Loader(encoder.Encode([.. DataFiles.ReadFile(Path.Combine(Demo, "data", "valid.jsonl")).Take(16)]));
var allLinear = ModuleSelector.Matching(ModuleSelector.AllLinear);
var start = Measure(Load());
Console.WriteLine($"{"base",-22} held-out forms {start.Task:0.00}, old text {start.Old:0.00}");

// ## 2. Everything trains, or little does
//
// The learning rates are such that full fine-tuning and the first LoRA learn about as much in 18 steps.

var full = Report("full fine-tuning", new FullConfig(), 1e-3, task);
var lora = Report("LoRA, r = 8", new LoraConfig { Rank = 8, Alpha = 16, TargetModules = allLinear }, 5e-3, task);
var small = Report("LoRA, r = 1, q and v", new LoraConfig { Rank = 1, Alpha = 2, TargetModules = ModuleSelector.Of("q_proj", "v_proj") },
    5e-3, task);
Claim(full.Old > start.Old + 0.5 && lora.Old > start.Old, "what trains forgets: the loss on the old text rises");
Claim(lora.Task < start.Task / 2 && lora.Old < full.Old, "LoRA has learned the task and forgotten less than full fine-tuning");
Claim(small.Task > lora.Task && small.Old < lora.Old, "the smallest LoRA has learned less and forgotten less");

// ## 3. Replay
//
// The oldest remedy is the best one: mix some of the old kind of text into the training data. Other texts than those that are measured.

string[] replayed =
[
    "The boy ran across the field, but before he reached the river the horse had gone, and he could only hear it far away.",
    "She had not slept at all, and when the clock struck six she rose and lighted the candle on the table by the window.",
    "\"You must tell me the truth,\" said the doctor; \"there is no time to lose, and the road to the village is long.\"",
    "In the winter the old woman sat by the fire and told the children stories of the days when she had been young.",
    "They had walked for three hours without a word when at last they saw the light of the inn between the trees.",
    "The king was very angry, and he sent for his three sons and asked them which of them had taken the golden apple.",
];
var mixed = Loader(forms.Concat(Enumerable.Repeat(replayed, 4).SelectMany(texts => texts).Select(text => tokenizer.Encode(text).Ids)
    .Select(ids => new Example(ids, ids))));
var replay = Report("LoRA, r = 8, replay", new LoraConfig { Rank = 8, Alpha = 16, TargetModules = allLinear }, 5e-3, mixed);
Claim(replay.Old < lora.Old, "with replay the same LoRA forgets less");

// ## 4. An adapter can be turned down
//
// The change is apart from the base, so it can be scaled, and switched off without a trace.

var model = Trained(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = allLinear }, 5e-3, task);
double[] scaled = [.. new[] { 0.25, 0.5, 0.75 }.Select((strength, i) =>
{
    model.AddWeightedAdapter([PeftModel.DefaultAdapter], [strength], $"scaled{i}", CombinationType.Cat);
    model.SetActive($"scaled{i}");
    var (onTask, onOld) = Measure(model);
    Console.WriteLine($"{strength:0.00} of the same ΔW       held-out forms {onTask:0.00}, old text {onOld:0.00}");
    return onOld;
})];
Claim(scaled[0] < scaled[1] && scaled[1] < scaled[2] && scaled[2] < lora.Old, "the less of ΔW is added, the less is forgotten");
model.Disable();
Claim(Measure(model) == start, "switched off, the model has forgotten nothing: its losses are those of the base, to the bit");

(double Task, double Old) Report(string name, PeftConfig config, double rate, DataLoader data)
{
    var trained = Trained(config, rate, data);
    var (onTask, onOld) = Measure(trained);
    Console.WriteLine($"{name,-22} held-out forms {onTask:0.00}, old text {onOld:0.00}; learned {start.Task - onTask:0.00}, forgotten "
        + $"{onOld - start.Old:0.00}");
    trained.Base.Dispose();
    return (onTask, onOld);
}

PeftModel Trained(PeftConfig config, double rate, DataLoader data)
{
    var trained = Load();
    trained.AddAdapter(config, seed: 1);
    new Trainer(trained, new TrainerOptions { LearningRate = rate, MaxSteps = 18 }, data).Run();
    return trained;
}

(double Task, double Old) Measure(PeftModel of) => (Evaluation.Run(of.Base, held.Epoch()).Loss, Evaluation.Run(of.Base, old.Epoch()).Loss);

PeftModel Load() => new(ModelLoader.Load(BaseModel, backend, DType.F32));

DataLoader Loader(IEnumerable<Example> examples) => new([.. examples], new LoaderOptions { BatchSize = 8, PadId = 0 });
