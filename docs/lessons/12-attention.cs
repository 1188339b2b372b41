#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 12: attention without T × T
//
//   dotnet run docs/lessons/12-attention.cs
//
// Attention of T queries on T keys has T² weights: p = softmax(q·kᵀ/√d), o = p·v. Kept for backward in F32, one head of 4,096 tokens
// takes 64 MiB, times heads, layers and batch. FlashAttention (Dao et al. 2022, https://arxiv.org/abs/2205.14135) never has them. It rests
// on two facts.
//
// *A softmax can be computed in pieces* (Milakov and Gimelshein 2018). Keep the largest score m so far, the sum l of e^(score − m), and
// o = Σ e^(score − m)·v. When a piece has a larger score m', what is there is multiplied by e^(m − m'). At the end o/l is the result.
//
// *Backward can compute p again* from one number a row: p = e^(score − L) with L = m + ln l. With D = Σ do∘o for each row:
//
//     dv = pᵀ·do      ds = p∘(do·vᵀ − D)      dq = ds·k/√d      dk = dsᵀ·q/√d

using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

const int T = 48, D = 8, Block = 16;
var random = new Random(1);
double[][] q = Matrix(T, D), k = Matrix(T, D), v = Matrix(T, D), g = Matrix(T, D); // g: the gradient of the output
double scale = 1 / Math.Sqrt(D);

// ## 1. With T × T: the definition
//
// Causal: query i sees the keys 0 … i.

double[][] p = [.. Enumerable.Range(0, T).Select(i =>
{
    double[] e = [.. Enumerable.Range(0, T).Select(j => j <= i ? Math.Exp(scale * Dot(q[i], k[j])) : 0)];
    return e.Select(x => x / e.Sum()).ToArray();
})];
double[][] o = Multiply(p, v);

// ## 2. Without: blocks of keys, one after the other
//
// For each query the state is m, l and o: D + 2 numbers, whatever T is.

double[][] flash = Zeros(T, D);
double[] logSum = new double[T];
int largest = 0;
for (int i = 0; i < T; i++)
{
    double m = double.NegativeInfinity, l = 0;
    for (int start = 0; start <= i; start += Block)
    {
        double[] scores = [.. Enumerable.Range(start, Math.Min(Block, i + 1 - start)).Select(j => scale * Dot(q[i], k[j]))];
        largest = Math.Max(largest, scores.Length);
        double top = Math.Max(m, scores.Max()), old = Math.Exp(m - top);
        l *= old;
        flash[i] = [.. flash[i].Select(x => x * old)];
        for (int j = 0; j < scores.Length; j++)
        {
            double weight = Math.Exp(scores[j] - top);
            l += weight;
            Add(flash[i], v[start + j], weight);
        }
        m = top;
    }
    flash[i] = [.. flash[i].Select(x => x / l)];
    logSum[i] = m + Math.Log(l);
}
Claim(Difference(flash, o) < 1e-12, "the softmax in pieces gives the same output, to 1e-12");
Claim(largest == Block, $"no more than {Block} scores existed at a time; the definition has {T * T:N0}");

// A piece with a much larger score shows why the maximum is needed: e^800 is infinite.

Claim(double.IsInfinity(Math.Exp(800)) && Math.Exp(800 - 800) == 1, "e^(score − m) never overflows, where e^score does");

// ## 3. Backward, with p computed again
//
// Kept from the forward pass: q, k, v, o, and L, one number for each row. Compared with the gradients of the definition, which keeps p.

double[][] dv = Multiply(Transpose(p), g), dp = Multiply(g, Transpose(v));
double[][] ds = [.. p.Zip(dp, (row, d) => row.Zip(d, (x, y) => x * (y - Dot(row, d))).ToArray())];
double[][] dq = Scaled(Multiply(ds, k)), dk = Scaled(Multiply(Transpose(ds), q));
double[][] dqAgain = Zeros(T, D), dkAgain = Zeros(T, D), dvAgain = Zeros(T, D);
for (int i = 0; i < T; i++)
{
    double delta = Dot(g[i], flash[i]); // Σ do∘o is Σ p·dp: the row of p is not needed for it
    for (int j = 0; j <= i; j++)
    {
        double weight = Math.Exp(scale * Dot(q[i], k[j]) - logSum[i]), d = weight * (Dot(g[i], v[j]) - delta) * scale;
        Add(dvAgain[j], g[i], weight);
        Add(dqAgain[i], k[j], d);
        Add(dkAgain[j], q[i], d);
    }
}
double worst = new[] { Difference(dq, dqAgain), Difference(dk, dkAgain), Difference(dv, dvAgain) }.Max();
Claim(worst < 1e-12, "dq, dk and dv from weights that were computed again are those of the definition, to 1e-12");

// ## 4. In a model
//
// The plan of a training step counts what is kept for backward. If a T × T matrix were kept, doubling T would more than double it.

var config = ModelDirectory.Open(BaseModel).OpenConfig();
long[] saved = [.. new[] { 128, 256, 512 }.Select(length => MemoryPlan.Of(meta =>
{
    var model = ModelLoader.Declare(config);
    ModelLoader.Initialize(model, meta, DType.F32);
    var peft = new PeftModel(model);
    peft.AddAdapter(new LoraConfig { TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });
    return peft;
}, batchSize: 1, length).SavedBytes)];
Console.WriteLine($"saved by a step of 1 × T tokens: T = 128: {saved[0]:N0} bytes, 256: {saved[1]:N0}, 512: {saved[2]:N0}");
long matrices = 6L * 6 * 512 * 512 * sizeof(float); // 6 layers, 6 heads
Claim(Math.Abs((double)saved[2] / saved[1] - 2) < 0.02 && Math.Abs((double)saved[1] / saved[0] - 2) < 0.02,
    "twice the tokens, twice the bytes");
Claim(saved[2] < matrices, $"all of it is less than the T × T matrices alone would take at 512 tokens: {matrices:N0} bytes");

// What it costs: the scores are computed twice. What it gains beside memory: on a GPU the matrix would have to be written to the card's
// memory and read again, which takes longer than computing it (docs/gpu.md).

double[][] Matrix(int rows, int columns) =>
    [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => 4 * random.NextDouble() - 2).ToArray())];

static double[][] Zeros(int rows, int columns) => [.. Enumerable.Range(0, rows).Select(_ => new double[columns])];

double[][] Scaled(double[][] m) => [.. m.Select(row => row.Select(x => x * scale).ToArray())];

static double[][] Transpose(double[][] m) => [.. Enumerable.Range(0, m[0].Length).Select(j => m.Select(row => row[j]).ToArray())];

static double[][] Multiply(double[][] a, double[][] b)
{
    double[][] columns = Transpose(b);
    return [.. a.Select(row => columns.Select(column => Dot(row, column)).ToArray())];
}

static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

static void Add(double[] to, double[] row, double factor)
{
    for (int c = 0; c < to.Length; c++)
    {
        to[c] += factor * row[c];
    }
}

static double Difference(double[][] a, double[][] b) => a.Zip(b, (x, y) => x.Zip(y, (s, t) => Math.Abs(s - t)).Max()).Max();
