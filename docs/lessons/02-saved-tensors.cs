#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 2: what backward must keep, and what freezing saves
//
//   dotnet run docs/lessons/02-saved-tensors.cs
//
// The tape of lesson 1 kept every array. What does backward really need? For a linear layer y = x·Wᵀ with the gradient ∂y of its output:
//
//     ∂x = ∂y·W       needs W, which is in memory anyway
//     ∂W = ∂yᵀ·x      needs x, the activation, which grows with batch and sequence
//
// So x is kept for one reason: to compute ∂W. If W is frozen, there is no ∂W, and x can be freed as soon as the layer has run. That
// is where parameter-efficient training saves memory while it computes; section 4 adds optimizer states, which it saves as well.
// The rules of all operations are in docs/gradients.md. Here `Tape.SavedBytes` counts the bytes.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Selective;
using PeftCore.Tensors;
using PeftCore.Training;

const int Rows = 64, Width = 128, Rank = 8, Depth = 4;
const long ActivationBytes = Rows * Width * sizeof(float), LowBytes = Rows * Rank * sizeof(float);
using var backend = new CpuBackend();
using var scope = new TensorScope();
Console.WriteLine($"an activation x ({Rows}, {Width}) takes {ActivationBytes:N0} bytes");

// ## 1. One layer, four cases
//
// Whether x needs a gradient makes no difference to what is kept: ∂x needs W alone.

foreach (bool trainsX in (bool[])[false, true])
{
    foreach (bool trainsW in (bool[])[false, true])
    {
        using var tape = new Tape();
        Tensor x = New([Rows, Width], trainsX), w = New([Width, Width], trainsW);
        x.Linear(w);
        Console.WriteLine($"∂x {(trainsX ? "needed" : "not needed"),-10}  W {(trainsW ? "trains" : "frozen")}: saved "
            + $"{tape.SavedBytes,6:N0} bytes");
        Claim(tape.SavedBytes == (trainsW ? ActivationBytes : 0), trainsW ? "a weight that trains keeps x"
            : "saved by the frozen layer: 0 bytes");
        Free(x, w);
    }
}

// ## 2. Other operations keep other things
//
//     z = x∘y      ∂x = ∂z∘y, ∂y = ∂z∘x       each factor for the other's gradient
//     y = eˣ       ∂x = ∂y∘y                  the result, not the input
//     z = x + y    ∂x = ∂y = ∂z               nothing
//
// A mask of needed gradients decides: if only x needs one, the product keeps only y.

Claim(Saved(x => x + x) == 0, "a sum keeps nothing");
Claim(Saved(x => x.Exp()) == ActivationBytes, "an exponential keeps its result");
Claim(Saved(x => x * New([Rows, Width], trains: false)) == ActivationBytes, "a product with a constant keeps the constant");
Claim(Saved(x => x * New([Rows, Width], trains: true)) == 2 * ActivationBytes, "a product of two that need gradients keeps both");

// ## 3. A stack of layers
//
// Four layers, h ← h·Wᵀ, on data that needs no gradient. If all train, each keeps its input. If only the last one trains, the three below
// are not even recorded: backward ends at the lowest parameter that trains. With LoRA each layer keeps x and the thin x·Aᵀ.

long all = Stack((_, h) => h.Linear(New([Width, Width], trains: true)));
long last = Stack((i, h) => h.Linear(New([Width, Width], trains: i == Depth - 1)));
long lora = Stack((_, h) => h.Linear(New([Width, Width], false)) + h.Linear(New([Rank, Width], true)).Linear(New([Width, Rank], true)));
long vectors = Stack((_, h) => h.Linear(New([Width, Width], false)).AddRow(New([Width], true)));
Console.WriteLine($"saved by {Depth} layers: all weights {all:N0}, the last weight {last:N0}, LoRA {lora:N0}, biases {vectors:N0}");
Claim(all == Depth * ActivationBytes, "full fine-tuning keeps the input of every layer");
Claim(last == ActivationBytes, "training the last layer keeps one input");
Claim(lora == Depth * (ActivationBytes + LowBytes), "LoRA keeps every input too, and r numbers a row: its ∂A = s·(∂y·B)ᵀ·x needs x");
Claim(vectors == 0, "biases keep nothing: ∂b = Σ rows of ∂y");

// ## 4. A whole model
//
// LoRA keeps inputs as full fine-tuning does, so where is the saving? In everything whose size is that of the weights: gradients, and two
// moments a parameter for AdamW. A plan runs the same code on a backend that has shapes and no data, and counts. (Full fine-tuning trains a
// copy of the weights here, so that it can be switched off like an adapter; its weights count twice.)

var config = ModelDirectory.Open(BaseModel).OpenConfig();
var full = Plan("full", new FullConfig());
var adapter = Plan("LoRA, r = 8", new LoraConfig { Rank = 8, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });
var lastBlock = Plan("last block", new LastLayersConfig { NumTrainedLayers = 1 });
var norms = Plan("norms", new LnTuningConfig());
Claim(full.Optimizer >= 2 * sizeof(float) * full.Of.Parameters,
    "AdamW takes two F32 numbers for each parameter that trains");
Claim(adapter.Optimizer * 10 < full.Optimizer, "LoRA's optimizer takes less than a tenth of that");
Claim(lastBlock.Of.SavedBytes * 3 < full.Of.SavedBytes, "one block of six saves less than a third: below it nothing is kept");
long ofBase = sizeof(float) * full.Of.Parameters, withoutBase = full.Of.PeakBytes - ofBase;
Claim(adapter.Of.PeakBytes < 0.7 * withoutBase,
    $"LoRA's peak is {100.0 * adapter.Of.PeakBytes / withoutBase:0.0} % of full fine-tuning's without the base beside the copy");
Claim(norms.Of.BackwardFlops < 0.6 * full.Of.BackwardFlops, "without any ∂W, backward computes little more than half");

// The larger the model against the batch, the more the second part counts: bench/results has the figures of larger ones. What is kept for
// backward can be lowered further by computing it again (`GradientCheckpointing`).

(MemoryPlan Of, long Optimizer) Plan(string name, PeftConfig method)
{
    var plan = MemoryPlan.Of(meta =>
    {
        var model = ModelLoader.Declare(config);
        ModelLoader.Initialize(model, meta, DType.F32);
        var peft = new PeftModel(model);
        peft.AddAdapter(method);
        return peft;
    }, batchSize: 4, length: 64);
    long Kind(params MemoryKind[] kinds) => kinds.Sum(kind => plan.AtPeak.GetValueOrDefault(kind));
    long weights = Kind(MemoryKind.Frozen, MemoryKind.Trainable), state = Kind(MemoryKind.Gradient, MemoryKind.Optimizer);
    Console.WriteLine($"{name,-12} trains {plan.TrainableParameters,9:N0}; bytes at the peak {plan.PeakBytes,10:N0}: weights "
        + $"{weights,10:N0}, "
        + $"gradients and optimizer {state,10:N0}, activations {plan.PeakBytes - weights - state,10:N0}");
    return (plan, Kind(MemoryKind.Optimizer));
}

long Stack(Func<int, Tensor, Tensor> layer)
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    var h = New([Rows, Width], trains: false);
    for (int i = 0; i < Depth; i++)
    {
        h = layer(i, h);
    }
    return tape.SavedBytes;
}

long Saved(Func<Tensor, Tensor> op)
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    op(New([Rows, Width], trains: true));
    return tape.SavedBytes;
}

Tensor New(Shape shape, bool trains)
{
    var tensor = backend.Zeros(shape);
    return trains ? tensor.TrackGradient() : tensor;
}

static void Free(params Tensor[] tensors)
{
    foreach (var tensor in tensors.Where(tensor => tensor.RequiresGrad))
    {
        tensor.UntrackGradient();
    }
}
