#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 4: rank, α, and what ΔW looks like
//
//   dotnet run docs/lessons/04-rank.cs
//
// A LoRA of rank r can represent every ΔW = s·B·A of rank r and nothing beyond. Any matrix has singular values σ₁ ≥ σ₂ ≥ …; the best
// approximation of rank r keeps the r largest (Eckart and Young 1936), and its error is the rest:
//
//     min over rank r of ‖ΔW − M‖²  =  σ²ᵣ₊₁ + σ²ᵣ₊₂ + …
//
// The singular values of a trained s·B·A therefore say how much of the rank was used. They need no large decomposition: the non-zero
// eigenvalues of ΔWᵀ·ΔW = s²·Aᵀ·(BᵀB)·A are those of the small matrix s²·(BᵀB)·(AAᵀ), which is (r, r).

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Optim;
using PeftCore.Tensors;

const int Inputs = 24, Outputs = 20, Rows = 64, GoalRank = 3;
using var backend = new CpuBackend();
using var scope = new TensorScope();

// ## 1. A task of known rank
//
// The layer shall imitate W + G, where G has rank 3 and singular values 3, 2 and 1. Its columns are unit vectors, so they can be read off.

var w = Random([Outputs, Inputs], seed: 1);
float[] goal = new float[Outputs * Inputs];
for (int i = 0; i < GoalRank; i++)
{
    goal[i * Inputs + 5 * i] = GoalRank - i; // σᵢ·eᵢ·e₅ᵢᵀ
}
var wanted = w + backend.From(goal, [Outputs, Inputs]);
Console.WriteLine("singular values of the change to be learned: 3, 2, 1");

// ## 2. Rank
//
// Below rank 3 the best a LoRA can do is to keep the largest singular values. From rank 3 on it reaches the goal, and what is left over of
// the rank stays near zero.

foreach (int rank in (int[])[1, 2, 3, 6])
{
    var (sigma, loss) = Train(rank, alpha: rank, rate: 2e-2, steps: 500);
    float[] expected = [.. new float[] { 3, 2, 1 }.Take(rank), .. new float[Math.Max(0, rank - GoalRank)]];
    double rest = new double[] { 9, 4, 1 }.Skip(rank).Sum() / Outputs / 3; // a mean over outputs; inputs have the variance 1/3
    Console.WriteLine($"r = {rank}: singular values of ΔW {string.Join(", ", sigma.Select(v => $"{v:0.0}"))}; loss {loss:0.00}");
    Claim(Distance(sigma, expected) < 0.35 && Math.Abs(loss - rest) < 0.06, rank < GoalRank
        ? $"rank {rank} finds the {(rank == 1 ? "largest direction" : $"{rank} largest directions")}, and the loss that remains is Σ σ² "
            + $"of the others over 3·{Outputs}: {rest:0.00}"
        : $"rank {rank} reaches the goal{(rank > GoalRank ? $", and {rank - GoalRank} of its directions stay unused" : "")}");
}

// ## 3. α
//
// s = α/r multiplies ΔW and with it every gradient of A and B: ∂B = s·∂yᵀ·(x·Aᵀ). With plain gradient descent a larger α is a larger step.
// Dividing by r keeps the size of a step when the rank is changed, at least for small ranks; rsLoRA (Kalajdzievski 2023) divides by √r.

double[] after = [.. new float[] { 1, 4, 16 }.Select(alpha => Train(4, alpha, rate: 0.02, steps: 60, plain: true).Loss)];
Console.WriteLine("loss after 60 steps of gradient descent, r = 4: "
    + $"α = 1: {after[0]:0.00}, α = 4: {after[1]:0.00}, α = 16: {after[2]:0.00}");
Claim(after[0] > after[1] && after[1] > after[2], "a larger α learns faster at the same learning rate");

// Adam divides each gradient by its own size, so A and B move as far for every α; what is left of α is that ΔW = s·B·A moves further.

double small = Train(4, alpha: 1, rate: 2e-2, steps: 20).Loss, large = Train(4, alpha: 16, rate: 2e-2, steps: 20).Loss;
Console.WriteLine($"loss after 20 steps of AdamW: α = 1: {small:0.00}, α = 16: {large:0.00}");
Claim(large < small, "with AdamW too");

// ## 4. What ΔW looks like
//
// The goal has three entries that are not zero. ΔW of rank 3, drawn as the size of its entries:  · < 0.25 ≤ ▒ < 0.75 ≤ █

var (_, _, delta) = TrainDelta(3, alpha: 3, rate: 2e-2, steps: 1500, plain: false);
string[] picture = [.. Enumerable.Range(0, 4).Select(o => string.Concat(Enumerable.Range(0, Inputs).Select(i =>
    Math.Abs(delta[o * Inputs + i]) switch { < 0.25f => '·', < 0.75f => '▒', _ => '█' })))];
Console.WriteLine($"the first 4 of {Outputs} rows of ΔW:\n  {string.Join("\n  ", picture)}");
Claim(picture[0].IndexOf('█') == 0 && picture[1].IndexOf('█') == 5 && picture[2].IndexOf('█') == 10
    && picture.Sum(r => r.Count(c => c != '·')) == 3,
    "ΔW has found the three entries");

(float[] Sigma, double Loss) Train(int rank, float alpha, double rate, int steps, bool plain = false)
{
    var (sigma, loss, _) = TrainDelta(rank, alpha, rate, steps, plain);
    return (sigma, loss);
}

(float[] Sigma, double Loss, float[] Delta) TrainDelta(int rank, float alpha, double rate, int steps, bool plain)
{
    using Parameter a = new([rank, Inputs]), b = new([Outputs, rank]);
    a.Set(Random(a.Shape, seed: 2) * (1 / MathF.Sqrt(Inputs)));
    b.Set(backend.Zeros(b.Shape));
    (a.RequiresGrad, b.RequiresGrad) = (true, true);
    using var optimizer = new AdamW([("A", a), ("B", b)]);
    float s = alpha / rank;
    double loss = 0;
    for (int step = 0; step < steps; step++)
    {
        using var inner = new TensorScope();
        using var tape = new Tape();
        var x = Random([Rows, Inputs], seed: 10 + step);
        var error = x.Linear(w) + s * x.Linear(a.Value).Linear(b.Value) - x.Linear(wanted);
        var mean = (error * error).Mean();
        tape.Backward(mean);
        if (plain)
        {
            foreach (var parameter in (Parameter[])[a, b])
            {
                parameter.Value.Upload([.. parameter.Value.ToFloats().Zip(parameter.Gradient!.ToFloats(),
                    (v, g) => v - (float)rate * 20 * g)]);
            }
        }
        else
        {
            optimizer.Step(rate);
        }
        optimizer.FreeGradients();
        loss = step < steps - 10 ? 0 : loss + mean.Item() / 10; // the mean of the last ten
    }
    float[] delta = (s * b.Value.MatMul(a.Value)).ToFloats();
    float[] small = (s * s * b.Value.MatMul(b.Value, transposeA: true).MatMul(a.Value.MatMul(a.Value, transposeB: true))).ToFloats();
    return ([.. Eigenvalues(small, rank).Select(v => MathF.Sqrt(MathF.Max(0, v)))], loss, delta);
}

// The eigenvalues of a small matrix, largest first, by the QR iteration (Francis 1961): M ← R·Q with M = Q·R leaves them in the diagonal.
static float[] Eigenvalues(float[] m, int n)
{
    double[] a = [.. m.Select(v => (double)v)];
    for (int sweep = 0; sweep < 200; sweep++)
    {
        double[] q = new double[n * n], r = new double[n * n];
        for (int j = 0; j < n; j++) // Gram-Schmidt, a column at a time
        {
            double[] v = [.. Enumerable.Range(0, n).Select(i => a[i * n + j])];
            for (int k = 0; k < j; k++)
            {
                r[k * n + j] = Enumerable.Range(0, n).Sum(i => q[i * n + k] * v[i]);
                v = [.. v.Select((value, i) => value - r[k * n + j] * q[i * n + k])];
            }
            r[j * n + j] = Math.Max(1e-30, Math.Sqrt(v.Sum(value => value * value)));
            Array.ForEach([.. Enumerable.Range(0, n)], i => q[i * n + j] = v[i] / r[j * n + j]);
        }
        a = [.. Enumerable.Range(0, n * n).Select(at => Enumerable.Range(0, n).Sum(k => r[at / n * n + k] * q[k * n + at % n]))];
    }
    return [.. Enumerable.Range(0, n).Select(i => (float)a[i * n + i]).OrderDescending()];
}

Tensor Random(Shape shape, int seed)
{
    var random = new Random(seed);
    return backend.From([.. Enumerable.Range(0, (int)shape.Count).Select(_ => 2 * random.NextSingle() - 1)], shape);
}
