#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 10: quantised bases
//
//   dotnet run docs/lessons/10-quantised.cs
//
// A frozen weight is only read, so it may be stored in fewer bits: every product decodes what it needs. QLoRA (Dettmers et al. 2023,
// https://arxiv.org/abs/2305.14314) trains a LoRA beside a base of 4 bits a number:
//
//     y = x·Ŵᵀ + s·(x·Aᵀ)·Bᵀ          ŵ = level[code]·scale,  one scale for each block of 64 numbers
//
// The gradient of x is ∂y·Ŵ, from the same codes. No gradient is needed for Ŵ, which could not take small steps anyway: it has 16 levels.

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

const string Target = "model.layers.0.mlp.gate_proj";
using var backend = new CpuBackend();
using var scope = new TensorScope();
using var plain = ModelLoader.Load(BaseModel, backend, DType.F32);
float[] w = ((Linear)plain.Find(Target)!).Weight.Value.ToFloats();

// ## 1. NF4 by hand
//
// Weights are close to normally distributed, so levels at quantiles of the normal distribution are used about equally often. One of the 16
// is an exact zero. A block is divided by its largest magnitude, each quotient goes to the nearest level.

float[] levels =
[
    -1, -0.6961928f, -0.52507305f, -0.39491749f, -0.28444138f, -0.18477343f, -0.09105004f, 0,
    0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1,
];

float[] Quantise(float[] values, float[] level, int block)
{
    float[] decoded = new float[values.Length];
    for (int start = 0; start < values.Length; start += block)
    {
        float[] part = values[start..(start + block)];
        float scale = part.Max(Math.Abs);
        for (int i = 0; i < block; i++)
        {
            decoded[start + i] = scale * level.MinBy(l => Math.Abs(l - part[i] / scale));
        }
    }
    return decoded;
}

// The library's Ŵ, read through the layer: the unit vectors as inputs give the columns of Ŵᵀ.

using var quantised = ModelLoader.Load(BaseModel, backend, DType.F32, quantization: new QuantizationOptions { Type = "nf4" });
var layer = (Linear)quantised.Find(Target)!;
float[] library = Identity(layer.Inputs).Linear(layer.Weight.Value).Transpose().ToFloats();
float[] hand = Quantise(w, levels, 64);
double size = Rms(w);
Claim(Distance(hand, library) < 1e-6, "NF4 by hand gives the library's weights");
Claim(library.Chunk(64).All(block => block.Distinct().Count() <= 16), "a block of 64 numbers has at most 16 values");

// ## 2. How much is lost
//
// Evenly spaced levels waste some on the rare large numbers; smaller blocks cost more scales and lose less.

float[] even = [.. Enumerable.Range(0, 16).Select(i => (i - 8) / 7.5f + 1 / 15f)];
double nf4 = Error(hand), uniform = Error(Quantise(w, even, 64)), blocks16 = Error(Quantise(w, levels, 16)),
    rows = Error(Quantise(w, levels, 192));
Console.WriteLine($"error against W: NF4 {nf4:0.000}, 16 even levels {uniform:0.000}; NF4 in blocks of 16 {blocks16:0.000}, of 192 "
    + $"{rows:0.000}");
Claim(nf4 < uniform, "quantiles of the normal distribution lose less than even levels");
Claim(blocks16 < nf4 && nf4 < rows, "the smaller the block, the smaller the error");

// ## 3. What is saved
//
// 4 bits and an F32 scale for each 64 numbers: 4.5 bits a number. A second quantisation stores the scales as bytes with a scale of their
// own for each 256: 8/64 + 32/(64·256) bits instead of 32/64.

long original = FrozenBytes(null), four = FrozenBytes(new QuantizationOptions { Type = "nf4" }),
    doubled = FrozenBytes(new QuantizationOptions { Type = "nf4", UseDoubleQuantization = true }),
    eight = FrozenBytes(new QuantizationOptions { Type = "int8" });
Console.WriteLine($"frozen bytes: BF16 {original:N0}, INT8 {eight:N0}, NF4 {four:N0}, NF4 with quantised scales {doubled:N0}");
long linear = plain.NamedParameters().Where(p => p.Path.EndsWith("proj.weight", StringComparison.Ordinal))
    .Sum(p => p.Parameter.Shape.Count);
double bits = 16 - 8.0 * (original - four) / linear;
Console.WriteLine($"bits a number of the {linear:N0} in linear layers: {bits:0.00}");
Claim(Math.Abs(bits - 4.5) < 0.05, "NF4 stores 4 + 32/64 bits a number");
Claim(doubled < four && four < eight && eight < original, "each step saves bytes; the embedding table keeps its dtype");

// ## 4. It trains
//
// The base loses a little, the adapter learns as well as beside the full base, and makes up for a part of the rounding.

var tokenizer = Tokenizer.FromDirectory(BaseModel);
var data = DataFiles.ReadFile(Path.Combine(Demo, "data", "train.jsonl")).Take(24).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true }).Encode(data);
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 8, PadId = 0 });
var (full, fullAfter) = Train(null);
var (coded, codedAfter) = Train(new QuantizationOptions { Type = "nf4" });
Console.WriteLine($"loss: BF16 base {full:0.00}, after 15 steps {fullAfter:0.00}; NF4 base {coded:0.00}, after 15 steps {codedAfter:0.00}");
Claim(Math.Abs(coded - full) < 0.1 * full, "4 bits change the loss of the base by less than a tenth");
Claim(codedAfter < 0.5 * coded && codedAfter < 1.1 * fullAfter, "LoRA beside NF4 learns about as much as beside BF16");

(double Before, double After) Train(QuantizationOptions? options)
{
    var model = new PeftModel(ModelLoader.Load(BaseModel, backend, quantization: options));
    double before = Evaluation.Run(model.Base, loader.Epoch()).Loss;
    model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) }, seed: 1);
    new Trainer(model, new TrainerOptions { LearningRate = 5e-3, MaxSteps = 15 }, loader).Run();
    double after = Evaluation.Run(model.Base, loader.Epoch()).Loss;
    model.Base.Dispose();
    return (before, after);
}

long FrozenBytes(QuantizationOptions? options)
{
    long before = backend.Memory.Current(MemoryKind.Frozen);
    using var model = ModelLoader.Load(BaseModel, backend, quantization: options);
    return backend.Memory.Current(MemoryKind.Frozen) - before;
}

double Error(float[] decoded) => Rms([.. decoded.Zip(w, (a, b) => a - b)]) / size;

static double Rms(float[] values) => Math.Sqrt(values.Average(v => (double)v * v));

Tensor Identity(int n)
{
    float[] ones = new float[n * n];
    for (int i = 0; i < n; i++)
    {
        ones[i * n + i] = 1;
    }
    return backend.From(ones, [n, n]);
}
