#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 8: bottleneck adapters
//
//   dotnet run docs/lessons/08-bottlenecks.cs
//
// The first adapters (Houlsby et al. 2019, https://arxiv.org/abs/1902.00751) were small networks between the layers of a frozen model:
// down to a few columns, a non-linearity, up again. With x the residual stream and h what a sublayer adds to it:
//
//     f(u) = W₂·φ(W₁·u + b₁) + b₂                W₁ (hidden/r, hidden),  W₂ (hidden, hidden/r)
//
//     Houlsby     y = x + h + f(h)               after attention and after the feed-forward network
//     Pfeiffer    y = x + h + f(x + h)           after the feed-forward network          Pfeiffer et al. 2021
//     parallel    y = x + h + 4·f(x)             beside the feed-forward network         He et al. 2022
//
// The residual is what makes them trainable: with W₂ near zero the adapted model starts near the base.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

using var backend = new CpuBackend();
using var scope = new TensorScope();
var tokenizer = Tokenizer.FromDirectory(BaseModel);
int[] ids = tokenizer.Encode("Miss Harper is to have tea with Margaret at the inn.").Ids;

// ## 1. f from plain operations
//
// φ is ReLU in the library by default, swish for some. Here u·σ(u), with the logistic function σ(u) = 1/(1 + e⁻ᵘ). Backward keeps u for
// ∂W₁, and what φ needs; those tensors are hidden/r columns wide, so they are small.

const int Hidden = 192, Low = 12, Rows = 64;
Tensor u = Zeros([Rows, Hidden]).TrackGradient(), w1 = Zeros([Low, Hidden]).TrackGradient(), w2 = Zeros([Hidden, Low]).TrackGradient();
using (var tape = new Tape())
{
    var down = u.Linear(w1); // (rows, hidden/r)
    var active = down / (1 + (-down).Exp());
    var y = u + active.Linear(w2);
    long wide = Rows * Hidden * sizeof(float), narrow = Rows * Low * sizeof(float);
    Console.WriteLine($"f keeps {tape.SavedBytes:N0} bytes for u ({Rows}, {Hidden}); u alone takes {wide:N0}");
    Claim(tape.SavedBytes - wide <= 6 * narrow, $"beside u it keeps a few tensors of {narrow:N0} bytes, hidden/r columns wide");
    Claim(Distance(y.ToFloats(), u.ToFloats()) == 0, "with W₂ = 0 the adapter is the identity");
}
u.UntrackGradient();

// ## 2. Three places
//
// 2·hidden²/r weights and hidden/r + hidden biases for each bottleneck. Houlsby has two in a block, the others one.

(string Name, BottleneckConfig Config, int PerBlock)[] architectures =
[
    ("Houlsby", BottleneckConfig.DoubleSeqBn with { ReductionFactor = 16 }, 2),
    ("Pfeiffer", BottleneckConfig.SeqBn with { ReductionFactor = 16 }, 1),
    ("parallel", BottleneckConfig.ParBn with { ReductionFactor = 16 }, 1),
];
float[] atBase = Logits(Load());
var start = new Dictionary<string, double>();
foreach (var (name, config, perBlock) in architectures)
{
    var model = Load();
    model.AddAdapter(config, seed: 1);
    int scales = (int)(model.TrainableCount - 6 * perBlock * (2 * Hidden * Low + Low + Hidden));
    Claim(scales is 0, $"{name}: 6 blocks · {perBlock} · (2·192·12 + 12 + 192) = {model.TrainableCount:N0} parameters");
    start[name] = Distance(Logits(model), atBase) / atBase.Max(Math.Abs);
    model.Base.Dispose();
}
Claim(start["Houlsby"] is > 0 and < 0.1 && start["Pfeiffer"] is > 0 and < 0.1, "two start near the base: their W₂ is small and random");
Claim(start["parallel"] == 0, "the parallel one starts at the base, to the bit: its W₂ is zero");

// ## 3. They learn
//
// The same task for each, next to a LoRA with about as many parameters.

var rows = DataFiles.ReadFile(Path.Combine(Demo, "data", "train.jsonl")).Take(32).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true }).Encode(rows);
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 8, PadId = tokenizer.PadId ?? 0 });
double before = Evaluation.Run(Load().Base, loader.Epoch()).Loss;
var after = architectures.Select(a => (a.Name, Config: (PeftConfig)a.Config))
    .Append(("LoRA", new LoraConfig { Rank = 12, Alpha = 24, TargetModules = ModuleSelector.Of("o_proj", "down_proj") }))
    .Select(a => (a.Item1, Loss: Train(a.Item2))).ToList();
Console.WriteLine($"loss of the base {before:0.0}; after 16 steps {string.Join(", ", after.Select(a => $"{a.Item1} {a.Loss:0.0}"))}");
Claim(after.All(a => a.Loss < 0.6 * before), "all of them learn the task");

// ## 4. The price
//
// f is not linear, so no matrix equals W + f: a bottleneck cannot be merged and runs at inference, one small network after the other. That
// is what LoRA was made to avoid. In exchange, a bottleneck can compute what no low-rank change of a matrix can: 1 at 0, and 0 at ±1.

using (var tape = new Tape())
{
    float[] points = [-1, 0, 1];
    var p = backend.From(points, [3, 1]);
    Tensor hinge = (p.Linear(backend.From([-1f, 1f], [2, 1]))), relu = 0.5f * (hinge + Absolute(hinge)); // max(u, 0) of −x and x
    float[] y = (1 - relu.Linear(backend.From([1f, 1f], [1, 2]))).ToFloats();
    Claim(Distance(y, [0, 1, 0]) < 1e-5, "two columns with ReLU compute 1 − |x|, which is 0, 1, 0 at −1, 0, 1: no linear layer does");
}

double Train(PeftConfig config)
{
    var model = Load();
    model.AddAdapter(config, seed: 1);
    new Trainer(model, new TrainerOptions { LearningRate = 5e-3, MaxSteps = 16 }, loader).Run();
    double loss = Evaluation.Run(model.Base, loader.Epoch()).Loss;
    model.Base.Dispose();
    return loss;
}

PeftModel Load() => new(ModelLoader.Load(BaseModel, backend, DType.F32));

float[] Logits(PeftModel of)
{
    using var inner = new TensorScope();
    return of.Base.Logits(ModelInputs.From(backend, ids, batch: 1)).ToFloats();
}

Tensor Zeros(Shape shape) => backend.Zeros(shape);

static Tensor Absolute(Tensor x) => (0.5f * (x * x + 1e-12f).Log()).Exp(); // √(x²)
