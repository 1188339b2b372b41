#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 6: DoRA, VeRA and (IA)³ by changing five lines
//
//   dotnet run docs/lessons/06-five-lines.cs
//
// Once LoRA is five lines of plain operations, its relatives are other lines. Each answers the question "what is a small change of
// y = x·Wᵀ?" in its own way:
//
//     LoRA    y = x·Wᵀ + s·(x·Aᵀ)·Bᵀ                          A, B train                     Hu et al. 2021
//     DoRA    y = m/‖V‖ ∘ x·Vᵀ    with V = W + s·B·A          A, B, m train, ‖V‖ by rows     Liu et al. 2024
//     VeRA    y = x·Wᵀ + b ∘ ((d ∘ (x·Aᵀ))·Bᵀ)                d, b train, A, B are random    Kopiczko et al. 2023
//     (IA)³   y = l ∘ (x·Wᵀ)                                  l trains                       Liu et al. 2022
//
// The functions below are these equations. Each is compared with the library's layer after its parameters got random values, in y and in
// the gradient of every parameter. The library's layers are faster and keep less; they compute the same.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Vera;
using PeftCore.Tensors;

const int Rows = 32;
const float S = 2;
var target = ModuleSelector.Matching(@".*layers\.0\.self_attn\.v_proj");
using var backend = new CpuBackend();
using var scope = new TensorScope();

// ## 1. LoRA, the five lines to start from

Tensor Lora(Tensor x, Tensor w, IReadOnlyList<Tensor> p)
{
    var (a, b) = (p[0], p[1]);
    var y = x.Linear(w); // (rows, out)
    var low = x.Linear(a); // (rows, r)
    return y + S * low.Linear(b);
}

Compare("LoRA", new LoraConfig { Rank = 8, Alpha = 16, TargetModules = target }, Lora, (inputs, outputs) => 8 * (inputs + outputs));

// ## 2. DoRA: length and direction apart
//
// Each output has a weight vector, a row of W + s·B·A. DoRA trains its length m and lets B·A change only its direction. The length of the
// row, ‖V‖, is a constant for backward (section 4.3 of the paper), hence `Detach`: a gradient through it would cost memory and changes
// little. √u is e^(ln u / 2).

Tensor Dora(Tensor x, Tensor w, IReadOnlyList<Tensor> p)
{
    var (a, b, m) = (p[0], p[1], p[2]);
    var v = w + S * b.MatMul(a); // (out, in)
    var length = (0.5f * (v * v).Sum(^1).Log()).Exp().Detach(); // (out)
    return x.Linear(v).MultiplyRow(m / length);
}

Compare("DoRA", new LoraConfig { Rank = 8, Alpha = 16, UseDora = true, TargetModules = target }, Dora,
    (inputs, outputs) => 8 * (inputs + outputs) + outputs);

// ## 3. VeRA: random factors, trained vectors
//
// A and B are drawn once and frozen, and all layers share them. Only the vectors d and b train, so a rank costs one number instead of
// in + out. Here A and B are the library's; they are read off by trying unit vectors (see below).

var (randomA, randomB) = (default(Tensor), default(Tensor));

Tensor Vera(Tensor x, Tensor w, IReadOnlyList<Tensor> p)
{
    var (b, d) = (p[0], p[1]);
    var y = x.Linear(w);
    var low = x.Linear(randomA!).MultiplyRow(d); // (rows, r), and no gradient for A
    return y + low.Linear(randomB!).MultiplyRow(b);
}

Compare("VeRA", new VeraConfig { Rank = 8, TargetModules = target }, Vera, (_, outputs) => 8 + outputs);

// ## 4. (IA)³: one factor for each output
//
// Nothing is added; what is there is amplified or damped. A merge multiplies the rows of W.

Tensor Ia3(Tensor x, Tensor w, IReadOnlyList<Tensor> p) => x.Linear(w).MultiplyRow(p[0]);

Compare("(IA)³", new Ia3Config { TargetModules = target, FeedforwardModules = ModuleSelector.Of() }, Ia3, (_, outputs) => outputs);

// The library has two dozen methods of this kind: docs/methods.md compares them. Lesson 15 adds one.

void Compare(string name, PeftConfig config, Func<Tensor, Tensor, IReadOnlyList<Tensor>, Tensor> equation, Func<int, int, int> count)
{
    var model = new PeftModel(ModelLoader.Load(BaseModel, backend, DType.F32));
    var layer = (Linear)model.Base.Find("model.layers.0.self_attn.v_proj")!;
    var w = layer.Weight.Value;
    model.AddAdapter(config);
    Parameter[] parameters = [.. model.Parameters.Select(p => p.Parameter)];
    string names = string.Join(", ",
        model.Parameters.Select(p => p.Name[(p.Name.IndexOf("v_proj.", StringComparison.Ordinal) + 7)..] + $" {p.Parameter.Shape}"));
    Console.WriteLine($"{name}: {names}");
    Claim(model.TrainableCount == count(layer.Inputs, layer.Outputs),
        $"{name} trains {model.TrainableCount:N0} numbers of this layer of {w.Count:N0}");
    for (int i = 0; i < parameters.Length; i++)
    {
        parameters[i].Value.Upload([.. parameters[i].Value.ToFloats().Zip(Random(parameters[i].Shape, seed: i).ToFloats(),
            (v, r) => v + 0.3f * r)]);
    }
    if (config is VeraConfig { Rank: var rank })
    {
        (randomA, randomB) = Factors(layer, w, parameters[0].Value, parameters[1].Value, rank);
    }
    var (y, gradients) = Run(parameters, layer.Forward);
    var (plainY, plainGradients) = Run(parameters, x => equation(x, w, [.. parameters.Select(p => p.Value)]));
    double largest = gradients.Max(g => g.Max(Math.Abs));
    Claim(Distance(plainY, y) < 2e-4 && gradients.Zip(plainGradients, Distance).Max() < 2e-4 * largest,
        $"the equation of {name} gives the layer's y and the gradients of its parameters");
    model.Base.Dispose();
}

(float[] Y, List<float[]> Gradients) Run(Parameter[] parameters, Func<Tensor, Tensor> forward)
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    var y = forward(Random([Rows, 192], seed: 50));
    tape.Backward(y, Random(y.Shape, seed: 51));
    List<float[]> gradients = [.. parameters.Select(p => p.Gradient!.ToFloats())];
    Array.ForEach(parameters, p => p.Value.FreeGradient());
    return (y.ToFloats(), gradients);
}

// With b = 1 and d the k-th unit vector the update of VeRA is the matrix of rank one B[:, k]·A[k, :]: its largest column divided by its
// largest entry and the row through that entry are the k-th column of B and row of A, up to a factor that the product does not see.
(Tensor A, Tensor B) Factors(Linear layer, Tensor w, Tensor b, Tensor d, int rank)
{
    var (keptB, keptD) = (b.ToFloats(), d.ToFloats());
    float[] unit = new float[layer.Inputs * layer.Inputs], a = new float[rank * layer.Inputs], up = new float[layer.Outputs * rank];
    for (int i = 0; i < layer.Inputs; i++)
    {
        unit[i * layer.Inputs + i] = 1;
    }
    var identity = backend.From(unit, [layer.Inputs, layer.Inputs]);
    b.Upload([.. Enumerable.Repeat(1f, layer.Outputs)]);
    for (int k = 0; k < rank; k++)
    {
        d.Upload([.. Enumerable.Range(0, rank).Select(i => i == k ? 1f : 0f)]);
        float[] update = (layer.Forward(identity) - identity.Linear(w)).ToFloats(); // (in, out): A[k, i]·B[o, k]
        int at = Enumerable.Range(0, update.Length).MaxBy(i => Math.Abs(update[i]));
        for (int i = 0; i < layer.Inputs; i++)
        {
            a[k * layer.Inputs + i] = update[i * layer.Outputs + at % layer.Outputs] / update[at];
        }
        for (int o = 0; o < layer.Outputs; o++)
        {
            up[o * rank + k] = update[at / layer.Outputs * layer.Outputs + o];
        }
    }
    b.Upload(keptB);
    d.Upload(keptD);
    return (backend.From(a, [rank, layer.Inputs]), backend.From(up, [layer.Outputs, rank]));
}

Tensor Random(Shape shape, int seed)
{
    var random = new Random(seed);
    return backend.From([.. Enumerable.Range(0, (int)shape.Count).Select(_ => 2 * random.NextSingle() - 1)], shape);
}
