#:project ../../src/PeftCore/PeftCore.csproj

// # Lesson 9: choosing parameters by gradient, Fisher information and magnitude
//
//   dotnet run docs/lessons/09-choosing.cs
//
// Instead of adding parameters one can train a few of the base's own: y = x·(W + S)ᵀ with a sparse S. Which entries? Each criterion is a
// score of an entry w with the gradients g of some batches:
//
//     magnitude    |w|            large weights matter, with no look at the task
//     gradient     |Σ g|          where the loss falls fastest at first
//     Fisher       Σ g²           where the loss reacts at all, whatever the sign: the diagonal of the empirical Fisher information,
//                                 F = E[(∂ log p/∂w)²] (Sung et al. 2021, https://arxiv.org/abs/2111.09839)
//     SNIP         |w·Σ g|        what removing the entry would change, to first order (Lee et al. 2019)
//
// Σ g and Σ g² differ where gradients of batches cancel: a steady small gradient has a large sum, an alternating large one has not.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

const double Density = 0.01;
using var backend = new CpuBackend();
using var scope = new TensorScope();
var tokenizer = Tokenizer.FromDirectory(BaseModel);
var data = DataFiles.ReadFile(Path.Combine(Demo, "data", "train.jsonl")).Take(24).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true }).Encode(data);
var single = new DataLoader([.. samples.Take(6)], new LoaderOptions { BatchSize = 1, PadId = 0, Shuffle = false });
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 8, PadId = 0 });

// ## 1. Scores by hand
//
// The gradient of a whole weight, once per batch. The library computes the same a few rows at a time, so that no such gradient is ever in
// memory as a whole, and adds up on the host.

const string Path0 = "model.layers.3.mlp.up_proj";
using var model = ModelLoader.Load(BaseModel, backend, DType.F32);
var weight = ((Linear)model.Find(Path0)!).Weight;
double[] sum = new double[weight.Shape.Count], squares = new double[weight.Shape.Count];
weight.RequiresGrad = true;
foreach (var sample in samples.Take(6))
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    tape.Backward(model.Loss(ModelInputs.From(backend, sample.Ids, 1), Targets.FromLabels(backend, sample.Labels, 1)));
    float[] g = weight.Gradient!.ToFloats();
    weight.Value.FreeGradient();
    for (int i = 0; i < g.Length; i++)
    {
        sum[i] += g[i];
        squares[i] += (double)g[i] * g[i];
    }
}
weight.RequiresGrad = false;
var only = ModuleSelector.Of(Path0);
Claim(Agrees(SelectionCriterion.Gradient, i => Math.Abs(sum[i])), "|Σ g| by hand is the library's gradient score");
Claim(Agrees(SelectionCriterion.Fisher, i => squares[i]), "Σ g² by hand is its Fisher score");
float[] w = weight.Value.ToFloats();
Claim(Agrees(SelectionCriterion.Snip, i => Math.Abs(w[i] * sum[i])), "|w·Σ g| by hand is its SNIP score");

// ## 2. They choose different entries
//
// The top percent of this weight by each criterion. Two random choices of one percent share one percent.

(string Name, HashSet<int> Chosen)[] choices =
[
    ("magnitude", Top(i => Math.Abs(w[i]))), ("gradient", Top(i => Math.Abs(sum[i]))), ("Fisher", Top(i => squares[i])),
    ("SNIP", Top(i => Math.Abs(w[i] * sum[i]))),
];
double Shared(int a, int b) => (double)choices[a].Chosen.Intersect(choices[b].Chosen).Count() / choices[a].Chosen.Count;
Console.WriteLine($"of the top 1 %: gradient and Fisher share {Shared(1, 2):0.00}, gradient and SNIP {Shared(1, 3):0.00}, gradient and "
    + $"magnitude {Shared(1, 0):0.00}");
Claim(Shared(1, 2) > 0.4, "gradient and Fisher agree on much");
Claim(Shared(1, 0) < 0.05, "magnitude knows nothing of the task: it shares little more with the gradient than a random choice would");

// ## 3. Which learn better
//
// One percent of the entries of all linear layers train, at the same rate for as many steps. Gradients and optimizer state exist for these
// entries alone: S is a list of values, and ∂S for the entry (o, i) is Σ ∂y[·, o]·x[·, i].

double before = Evaluation.Run(model, loader.Epoch()).Loss;
var after = new Dictionary<SelectionCriterion, double>();
foreach (var criterion in (SelectionCriterion[])[SelectionCriterion.Gradient, SelectionCriterion.Fisher, SelectionCriterion.Magnitude,
    SelectionCriterion.Random])
{
    var peft = new PeftModel(ModelLoader.Load(BaseModel, backend, DType.F32));
    var scores = WeightSelection.Score(peft.Base, criterion, loader.Epoch());
    var mask = scores.Choose(Density);
    peft.AddAdapter(new SparseConfig { Mask = mask });
    Claim(peft.TrainableCount == mask.Count && Math.Abs(mask.Count - Density * scores.Count) < 2,
        $"{criterion}: {mask.Count:N0} of {scores.Count:N0} entries train");
    new Trainer(peft, new TrainerOptions { LearningRate = 5e-4, MaxSteps = 15 }, loader).Run();
    after[criterion] = Evaluation.Run(peft.Base, loader.Epoch()).Loss;
    peft.Base.Dispose();
}
Console.WriteLine($"loss {before:0.00} before; after 15 steps {string.Join(", ", after.Select(a => $"{a.Key} {a.Value:0.00}"))}");
Claim(after[SelectionCriterion.Gradient] < after[SelectionCriterion.Random] - 0.5
    && after[SelectionCriterion.Fisher] < after[SelectionCriterion.Random] - 0.5,
    "entries chosen by the gradients of the task learn far more than as many random ones");
Claim(after[SelectionCriterion.Magnitude] > after[SelectionCriterion.Fisher] + 0.5,
    "entries chosen by magnitude do not: steps of one size mean little to a large weight");

// At higher rates the order can turn: the most sensitive entries overshoot first (docs/methods/sparse.md has figures).

bool Agrees(SelectionCriterion criterion, Func<int, double> byHand)
{
    // Up to a factor: the library may add up gradients of sums or of means.
    float[] scores = WeightSelection.Score(model, criterion, single.Epoch(), only).Of(Path0).ToArray();
    int largest = Enumerable.Range(0, scores.Length).MaxBy(byHand);
    double factor = byHand(largest) / scores[largest];
    return Enumerable.Range(0, scores.Length).All(i => Math.Abs(byHand(i) - factor * scores[i]) < 1e-3 * byHand(largest));
}

HashSet<int> Top(Func<int, double> score) =>
    [.. Enumerable.Range(0, w.Length).OrderByDescending(score).Take((int)(Density * w.Length))];
