#:project ../../src/PeftCore/PeftCore.csproj

// A training loop with a loss of your own: the cross-entropy of the data, and a penalty that keeps the adapted model near the base on a
// text that is not in the data, λ·mean (z − z₀)² over its logits z. The same loop without it forgets more.
//
//   dotnet run -c Release docs/samples/own-loss.cs

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

string directory = args.Length > 0 ? Path.Combine(args[0], "base-llama") : "src/PeftCore.Cli/Demo/base-llama";
const int Steps = 30;
using var backend = new CpuBackend();
var tokenizer = Tokenizer.FromDirectory(directory);
int[] learned = tokenizer.Encode("The lighthouse keeper counted seven ships, and the seventh never came home to the harbour again.").Ids;
int[] kept = tokenizer.Encode("Once upon a time there was a king who had three sons, and the youngest of them was called a fool.").Ids;

foreach (float strength in (float[])[0, 1])
{
    var (loss, drift) = Train(strength);
    Console.WriteLine($"λ = {strength}: loss on the text {loss.First:0.000} before, {loss.Last:0.000} after {Steps} steps; "
        + $"the other text's logits moved by {drift:0.000} on average");
}

((double First, double Last) Loss, double Drift) Train(float strength)
{
    var model = new PeftModel(ModelLoader.Load(directory, backend));
    model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) }, seed: 1);
    float[] before = LogitsOf(model, kept); // of the base: a new LoRA changes nothing
    using var optimizer = new AdamW(model.Parameters);
    double first = 0, last = 0;
    for (int step = 0; step < Steps; step++)
    {
        using var scope = new TensorScope(); // frees what the step made
        using var tape = new Tape();         // records it for the backward pass
        // Each token predicts the next one, the last one nothing.
        var logits = Rows(model.Base.Logits(ModelInputs.From(backend, learned, batch: 1)));
        var targets = backend.From([.. learned[1..], -100], [learned.Length]);
        var data = logits.CrossEntropy(targets, learned.Length - 1);
        var loss = data;
        if (strength > 0)
        {
            var moved = Rows(model.Base.Logits(ModelInputs.From(backend, kept, batch: 1)));
            var difference = moved - backend.From(before, moved.Shape);
            loss = data + strength / before.Length * (difference * difference).Sum();
        }
        tape.Backward(loss);
        optimizer.Step(learningRate: 5e-3);
        optimizer.FreeGradients();
        (first, last) = (step == 0 ? data.Item() : first, data.Item());
    }
    double drift = LogitsOf(model, kept).Zip(before, (a, b) => Math.Abs(a - b)).Average();
    model.Base.Dispose();
    return ((first, last), drift);
}

float[] LogitsOf(PeftModel model, int[] ids)
{
    using var scope = new TensorScope();
    return model.Base.Logits(ModelInputs.From(backend, ids, batch: 1)).ToFloats();
}

// (1, T, vocabulary) to (T, vocabulary)
static Tensor Rows(Tensor logits) => logits.Reshape([logits.Shape[1], logits.Shape[2]]);
