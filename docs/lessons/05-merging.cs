#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 5: merging, and its rounding
//
//   dotnet run docs/lessons/05-merging.cs
//
// An adapter costs a little time at inference: two thin products a layer. For LoRA that cost can be removed, because the layer is linear:
//
//     x·Wᵀ + s·(x·Aᵀ)·Bᵀ  =  x·(W + s·B·A)ᵀ
//
// So W + ΔW is written once, and the adapter is gone. Over the real numbers both sides are equal. Numbers of a computer are rounded, and
// the dtype of W decides how much is lost. BF16 has 8 significant bits: between 1 and 2 its numbers are 1/128 apart, and a change of less
// than half of that distance vanishes. ΔW is small against W, so this is no rare case.

using PeftCore;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

const string Target = "model.layers.2.mlp.down_proj";
using var backend = new CpuBackend();
using var scope = new TensorScope();
var tokenizer = Tokenizer.FromDirectory(BaseModel);
int[] ids = tokenizer.Encode("On Tuesday at one o'clock Miss Harper is to have tea with Margaret at the inn.").Ids;

// ## 1. In F32
//
// A LoRA is trained for some steps, merged, and unmerged. The merged model computes what base and adapter did, up to the order of sums.

var model = Trained(DType.F32);
var layer = (Linear)model.Base.Find(Target)!;
float[] before = layer.Weight.Value.ToFloats(), adapted = Logits(model);
var (a, b) = (Find("lora_A"), Find("lora_B"));
float[] delta = (2f * b.MatMul(a)).ToFloats(); // s = α/r = 2
model.Merge();
float[] merged = layer.Weight.Value.ToFloats();
Claim(Distance(merged, [.. before.Zip(delta, (w, d) => w + d)]) < 1e-6, "the merged weight is W + s·B·A");
Claim(Distance(Logits(model), adapted) < 1e-3, "the merged model's logits are those of base and adapter, to 1e-3");
model.Unmerge();
Claim(Distance(layer.Weight.Value.ToFloats(), before) == 0,
    "unmerging restores W to the bit: the library keeps it, for (W + ΔW) − ΔW would be rounded");

// ## 2. In BF16
//
// The base as it is stored. The merge adds in F32 and rounds once. How many entries of W does it leave as they were, although ΔW is not
// zero there?

var stored = Trained(DType.BF16);
layer = (Linear)stored.Base.Find(Target)!;
before = layer.Weight.Value.ToFloats();
float[] wanted = Logits(stored);
float[] change = (2f * FindIn(stored, "lora_B").MatMul(FindIn(stored, "lora_A"))).ToFloats();
stored.Merge();
merged = layer.Weight.Value.ToFloats();
int unchanged = merged.Zip(before, (m, w) => m.Equals(w)).Count(same => same);
double size = Math.Sqrt(change.Average(d => d * d) / before.Average(w => w * w));
double error = Distance(Logits(stored), wanted);
Console.WriteLine($"BF16: ΔW has {100 * size:0.0} % of the size of W; the merge leaves {100.0 * unchanged / merged.Length:0.0} % of the "
    + $"entries unchanged; "
    + $"the logits differ by up to {error:0.00}");
Claim(unchanged > 0 && error > 1e-2, "in BF16 a merge loses a part of ΔW, and the logits show it");
Claim(Distance(merged, [.. before.Zip(change, (w, d) => Round(w + d))]) == 0, "each entry is W + ΔW in F32, rounded once to BF16");

// One rounding is the least that can be lost. Rounding ΔW first, or adding adapters one after the other, rounds more often.

double once = Error((w, d) => Round(w + d)), twice = Error((w, d) => Round(w + Round(d))),
    halves = Error((w, d) => Round(Round(w + d / 2) + d / 2));
Console.WriteLine($"error of the merged weights against one rounding: ΔW rounded first {twice / once:0.00}, added in two halves "
    + $"{halves / once:0.0}");
Claim(once <= twice && once < halves, "every further rounding adds an error");

// ## 3. What cannot be merged
//
// A bottleneck adapter has a non-linearity between its two products (lesson 8): no W computes the same. The library says so.

var inserted = new PeftModel(ModelLoader.Load(BaseModel, backend));
inserted.AddAdapter(BottleneckConfig.SeqBn);
string refused = "";
try
{
    inserted.Merge();
}
catch (BadInputException reason)
{
    refused = reason.Message;
}
Console.WriteLine($"a bottleneck: \"{refused}\"");
Claim(refused.Length > 0, "a method that is not linear in x cannot be merged");

// Rule: keep adapter and base apart while anything may still change; merge once, from the base in its stored dtype, at the end.

double Error(Func<float, float, float> merge) =>
    Math.Sqrt(before.Zip(change, (w, d) => Math.Pow(merge(w, d) - ((double)w + d), 2)).Average());

// To BF16 and back: the upper 16 bits of an F32, rounded to nearest, ties to even.
static float Round(float value)
{
    uint bits = BitConverter.SingleToUInt32Bits(value);
    return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
}

PeftModel Trained(DType dtype)
{
    var peft = new PeftModel(ModelLoader.Load(BaseModel, backend, dtype));
    peft.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Of("down_proj", "o_proj") }, seed: 1);
    var loader = new DataLoader([new Example(ids, ids)], new LoaderOptions { BatchSize = 1, PadId = 0 });
    new Trainer(peft, new TrainerOptions { LearningRate = 3e-3, MaxSteps = 12 }, loader).Run();
    return peft;
}

float[] Logits(PeftModel peft)
{
    using var inner = new TensorScope();
    return peft.Base.Logits(ModelInputs.From(backend, ids, batch: 1)).ToFloats();
}

Tensor Find(string factor) => FindIn(model, factor);

static Tensor FindIn(PeftModel peft, string factor) =>
    peft.Parameters.Single(p => p.Name.Contains(Target, StringComparison.Ordinal)
        && p.Name.Contains(factor, StringComparison.Ordinal)).Parameter.Value;
