#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 3: LoRA from plain operations
//
//   dotnet run docs/lessons/03-lora.cs
//
// A linear layer y = x·Wᵀ has out·in weights. Fine-tuning changes them by some ΔW. LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685)
// assumes that a ΔW of low rank is enough, keeps W frozen and trains two thin factors:
//
//     y = x·Wᵀ + s·(x·Aᵀ)·Bᵀ        A (r, in),  B (out, r),  s = α/r
//
// The parentheses are the point: x·Aᵀ has r columns, so ΔW = s·B·A is never formed. Section 1 writes this as plain operations; section 2
// compares it with the layer of the library, which fuses them; section 3 compares what both keep for backward; section 4 trains.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

const int Rank = 8, Rows = 64;
const float Alpha = 16, S = Alpha / Rank;
using var backend = new CpuBackend();
using var scope = new TensorScope(); // frees the tensors made here at its end

// ## 1. The layer
//
// The query projection of the first block of a real, small Llama, in F32. W has 192 × 192 weights, A and B together 2 · 8 · 192.

var model = new PeftModel(ModelLoader.Load(BaseModel, backend, DType.F32));
var layer = (Linear)model.Base.Find("model.layers.0.self_attn.q_proj")!;
var w = layer.Weight.Value;
model.AddAdapter(new LoraConfig { Rank = Rank, Alpha = Alpha, TargetModules = ModuleSelector.Matching(@".*layers\.0\.self_attn\.q_proj") });
var (a, b) = (model.Parameters[0].Parameter, model.Parameters[1].Parameter);
Console.WriteLine($"W {w.Shape}: {w.Count:N0} weights, frozen; A {a.Shape}, B {b.Shape}: {model.TrainableCount:N0} parameters train");
Claim(model.TrainableCount == Rank * (layer.Inputs + layer.Outputs), "r·(in + out) = 8·(192 + 192) = 3,072 parameters train");

Tensor PlainLora(Tensor x) => x.Linear(w) + S * x.Linear(a.Value).Linear(b.Value); // Linear(v) is x·vᵀ

// B starts at zero and A at random, so training starts at the base model, and the first step already has a gradient: ∂B = ∂yᵀ·x·Aᵀ·s.

var x = Random([Rows, layer.Inputs], seed: 1);
Claim(Distance(layer.Forward(x).ToFloats(), x.Linear(w).ToFloats()) == 0, "a new LoRA changes nothing: y equals x·Wᵀ to the bit");

// ## 2. Equal to the fused layer
//
// To compare more than zeros, B gets random values. The loss is Σ y∘g for a fixed g, so ∂y = g. Then, with ∂ for the gradient of the loss:
//
//     ∂B = s·gᵀ·(x·Aᵀ)    ∂A = s·(g·B)ᵀ·x    ∂x = g·W + s·(g·B)·A    ∂W: never computed

b.Value.Upload(Random(b.Shape, seed: 2).ToFloats());
var g = Random([Rows, layer.Outputs], seed: 3);
var fused = Gradients(layer.Forward);
var plain = Gradients(PlainLora);
foreach (var (name, of) in (ReadOnlySpan<(string, Func<Pass, float[]>)>)[("y", p => p.Y), ("∂A", p => p.A), ("∂B", p => p.B),
    ("∂x", p => p.X)])
{
    double largest = of(plain).Max(Math.Abs);
    Claim(Distance(of(plain), of(fused)) < 1e-5 * largest,
        $"{name} of the plain operations is that of the fused layer, to 1e-5 of its largest entry");
}
Claim(layer.Weight.Gradient is null, "W has no gradient, not even as a temporary");

// ## 3. What each keeps for backward
//
// ∂A needs x and ∂B needs x·Aᵀ. The plain operations keep both; the scaled sum needs nothing. The frozen product keeps nothing: ∂x = g·W
// needs W alone, which is there anyway. Here x itself has a gradient, as in the middle of a model.

long inputBytes = Rows * layer.Inputs * sizeof(float), lowBytes = Rows * Rank * sizeof(float);
Console.WriteLine($"x: {inputBytes:N0} bytes; x·Aᵀ: {lowBytes:N0} bytes; saved by plain operations: {plain.Saved:N0}, fused: "
    + $"{fused.Saved:N0}");
Console.WriteLine($"saved by the frozen product: {plain.Saved - inputBytes - lowBytes} bytes");
Claim(plain.Saved == inputBytes + lowBytes && fused.Saved == plain.Saved, "both keep x and x·Aᵀ, and nothing else");

// ## 4. It learns
//
// The layer shall imitate another one, W + ΔW with a ΔW of rank 4. A rank of 8 is enough to reach it.

b.Value.Upload(new float[b.Shape.Count]);
var goal = w + 0.1f * Random([layer.Outputs, 4], seed: 4).MatMul(Random([4, layer.Inputs], seed: 5));
using var optimizer = new PeftCore.Optim.AdamW(model.Parameters);
float firstLoss = 0, lastLoss = 0;
for (int step = 0; step < 200; step++)
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    var inputs = Random([Rows, layer.Inputs], seed: 100 + step);
    var error = PlainLora(inputs) - inputs.Linear(goal);
    var loss = (error * error).Mean();
    tape.Backward(loss);
    optimizer.Step(learningRate: 2e-2);
    optimizer.FreeGradients();
    (firstLoss, lastLoss) = (step == 0 ? loss.Item() : firstLoss, loss.Item());
}
Console.WriteLine($"loss {firstLoss:0.000} before training, {lastLoss:0.000} after 200 steps");
Claim(lastLoss < 0.02 * firstLoss, "3,072 parameters have learned a change of 36,864 weights");
Claim(Distance(w.ToFloats(),
    ((Linear)ModelLoader.Load(BaseModel, backend, DType.F32).Find("model.layers.0.self_attn.q_proj")!).Weight.Value.ToFloats()) == 0,
    "W is what it was, to the bit");

// In the model every layer is trained like this, several of one input at once: q, k and v keep one x. `docs/methods/lora.md` has the
// variants, `src/PeftCore/Ops/Linear/LowRankLinearOp.cs` the fused operation.

// Runs forward and backward with ∂y = g and returns y, the three gradients, and the bytes that were saved in between.
Pass Gradients(Func<Tensor, Tensor> forward)
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    var input = backend.From(x.ToFloats(), x.Shape).TrackGradient();
    var y = forward(input);
    long saved = tape.SavedBytes;
    tape.Backward(y, g);
    var pass = new Pass(y.ToFloats(), a.Gradient!.ToFloats(), b.Gradient!.ToFloats(), input.Gradient!.ToFloats(), saved);
    input.UntrackGradient();
    a.Value.FreeGradient();
    b.Value.FreeGradient();
    return pass;
}

Tensor Random(Shape shape, int seed)
{
    var random = new Random(seed);
    return backend.From([.. Enumerable.Range(0, (int)shape.Count).Select(_ => 2 * random.NextSingle() - 1)], shape);
}

internal sealed record Pass(float[] Y, float[] A, float[] B, float[] X, long Saved);
