#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 15: your own method
//
//   dotnet run docs/lessons/15-own-method.cs
//
// An idea to try: LoRA reads the layer's input. Why not change the layer's *output* by a low-rank map?
//
//     y' = y + (y·Aᵀ)·Bᵀ        y = x·Wᵀ,  A (r, out),  B (out, r),  B = 0 at the start
//
// It edits the representation, as representation fine-tuning does (Wu et al. 2024, https://arxiv.org/abs/2404.03592), at every token. It is
// linear in x, so it can be merged: W' = (I + B·A)·W. Its ΔW = B·A·W has rank r like LoRA's, but its rows stay in the span of W's.
//
// Three parts make it a method like those of the library: an equation, a configuration, and a line that registers it. Saving, loading,
// merging, switching and mixed batches follow.

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

PeftMethods.Register("OUTPUT_LORA", OutputLoraConfig.Fields); // 3. the line; 1 and 2 are at the end of this file
using var backend = new CpuBackend();
using var scope = new TensorScope();
var tokenizer = Tokenizer.FromDirectory(BaseModel);
var data = DataFiles.ReadFile(Path.Combine(Demo, "data", "train.jsonl")).Take(32).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true }).Encode(data);
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 8, PadId = 0 });
var targets = ModuleSelector.Of("o_proj", "down_proj");

// ## Is it a method? Four questions
//
// Every method of the library is asked these by a test; so is this one. Does it start at the base, and does only it change?

var model = Load();
float[] atBase = Logits(model);
model.AddAdapter(new OutputLoraConfig { Rank = 8, TargetModules = targets }, seed: 1);
Claim(model.TrainableCount == 12 * 2 * 8 * 192, $"2·r·out numbers for each of 12 layers: {model.TrainableCount:N0}");
Claim(Distance(Logits(model), atBase) == 0, "with B = 0 it starts at the base, to the bit");
float[] w = Weights(model);
double before = Evaluation.Run(model.Base, loader.Epoch()).Loss, after = Train(model);
Claim(after < 0.6 * before && Distance(Weights(model), w) == 0, "it learns, and no weight of the base changes");

// Can it be switched off? Does it survive a file?

float[] adapted = Logits(model);
string directory = Directory.CreateTempSubdirectory("output-lora-").FullName;
model.Save(directory);
var loaded = Load();
loaded.Load(directory);
Claim(Distance(Logits(loaded), adapted) == 0, "saved and loaded on another copy of the base, it computes the same to the bit");
model.Disable();
Claim(Distance(Logits(model), atBase) == 0, "switched off, the base is there again, to the bit");
Directory.Delete(directory, recursive: true);

// Can it be merged? The library tries unit vectors to find ΔW of a hook that is affine in x; the equation says what it must find.

loaded.Merge();
Claim(Distance(Logits(loaded), adapted) < 2e-3, "merged, the logits differ by less than 2e-3");
const string Path0 = "model.layers.0.self_attn.o_proj";
Tensor Factor(string name) =>
    model.Parameters.Single(p => p.Name.Contains(Path0, StringComparison.Ordinal) && p.Name.Contains(name, StringComparison.Ordinal))
        .Parameter.Value;
model.Enable();
var old = ((Linear)model.Base.Find(Path0)!).Weight.Value;
float[] equation = (old + Factor("output_B").MatMul(Factor("output_A")).MatMul(old)).ToFloats();
Claim(Distance(((Linear)loaded.Base.Find(Path0)!).Weight.Value.ToFloats(), equation) < 1e-5, "the merged weight is (I + B·A)·W");

// ## Is it any good?
//
// Next to LoRA on the same layers, with the same rank, rate and steps. One task, one seed: a start, not a result.

var lora = Load();
lora.AddAdapter(new LoraConfig { Rank = 8, Alpha = 8, TargetModules = targets }, seed: 1);
double loraAfter = Train(lora);
Console.WriteLine($"loss {before:0.0} before; after 16 steps {after:0.0} with {model.TrainableCount:N0} numbers, LoRA {loraAfter:0.0} "
    + $"with {lora.TrainableCount:N0}");
Claim(model.TrainableCount < lora.TrainableCount, "it has fewer parameters than LoRA where outputs are narrower than inputs");

// `docs/extending.md` has the rest: methods that are not hooks on linear layers, ops with a backward of their own, model families.

double Train(PeftModel trained)
{
    new Trainer(trained, new TrainerOptions { LearningRate = 5e-3, MaxSteps = 16 }, loader).Run();
    return Evaluation.Run(trained.Base, loader.Epoch()).Loss;
}

PeftModel Load() => new(ModelLoader.Load(BaseModel, backend, DType.F32));

float[] Weights(PeftModel of) => [.. of.Base.NamedParameters().Where(p => p.Path.Contains("layers.3", StringComparison.Ordinal))
    .SelectMany(p => p.Parameter.Value.ToFloats())];

float[] Logits(PeftModel of)
{
    using var inner = new TensorScope();
    return of.Base.Logits(ModelInputs.From(backend, samples[0].Ids, batch: 1)).ToFloats();
}

/// <summary>1. The equation, on one layer.</summary>
internal sealed class OutputLora : LinearAdapter
{
    private readonly Parameter _a;
    private readonly Parameter _b;

    public OutputLora(AdapterSite site, int rank) : base(site)
    {
        int outputs = site.Layer.Outputs;
        _a = Add("output_A", [rank, outputs], 1 / MathF.Sqrt(outputs)); // normal, with this standard deviation
        _b = Add("output_B", [outputs, rank]); // zero
    }

    public override Tensor Forward(Tensor x, Tensor y) => y + y.Linear(_a.Value).Linear(_b.Value);
}

/// <summary>2. The hyperparameters, a row each: reading, writing, checks and --method-options follow from the rows.</summary>
internal sealed record OutputLoraConfig : LinearAdapterConfig
{
    public static ConfigFields<OutputLoraConfig> Fields { get; } = new ConfigFields<OutputLoraConfig>(new())
        .Targets(exclude: true, layers: true)
        .Int("r", c => c.Rank, (c, v) => c with { Rank = v }, "Rank of the change of the output.", min: 1);

    public int Rank { get; init; } = 8;

    protected override LinearAdapter CreateAdapter(AdapterSite site) => new OutputLora(site, Rank);
}
