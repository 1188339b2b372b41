#:project ../../src/PeftCore/PeftCore.csproj

// A PEFT method of your own: y = (x·Wᵀ + b)·(1 + s), one factor s for each output of a linear layer. It trains, saves, loads and merges
// like the methods of the library.
//
//   dotnet run -c Release docs/samples/own-method.cs
//
// docs/extending.md explains the parts.

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tokenizers;
using PeftCore.Training;

string demo = args.Length > 0 ? args[0] : "src/PeftCore.Cli/Demo", directory = Path.Combine(demo, "base-llama");
string adapter = Directory.CreateTempSubdirectory("own-method-").FullName;
PeftMethods.Register("OUTPUT_SCALE", OutputScaleConfig.Fields);

using var backend = new CpuBackend();
var tokenizer = Tokenizer.FromDirectory(directory);
var model = new PeftModel(ModelLoader.Load(directory, backend, DType.F32)); // A merge rounds to the precision of the weights.
model.AddAdapter(new OutputScaleConfig { TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });
Console.WriteLine(model.TrainableSummary);

// 1. It trains.
var rows = DataFiles.ReadFile(Path.Combine(demo, "data", "train.jsonl")).Take(48).ToList();
var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true }).Encode(rows);
var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 4, PadId = tokenizer.PadId ?? 0 });
double before = Evaluation.Run(model.Base, loader.Epoch()).Loss;
new Trainer(model, new TrainerOptions { LearningRate = 2e-2, MaxSteps = 20 }, loader).Run();
Console.WriteLine($"loss {before:0.000} before training, {Evaluation.Run(model.Base, loader.Epoch()).Loss:0.000} after 20 steps");

// 2. It is saved with its rows and loads on another copy of the base.
model.Save(adapter);
var loaded = new PeftModel(ModelLoader.Load(directory, backend, DType.F32));
loaded.Load(adapter);
Console.WriteLine($"saved {string.Join(", ", Directory.GetFiles(adapter).Select(Path.GetFileName).Order())}; "
    + $"loaded again, the logits differ by {Difference(model, loaded):0.0e+00}");

// 3. It merges: the hook is affine in x, so that the library finds ΔW by itself.
loaded.Merge();
Console.WriteLine($"merged, they differ by {Difference(model, loaded):0.0e+00}");
Directory.Delete(adapter, recursive: true);

double Difference(PeftModel one, PeftModel other) => Logits(one).Zip(Logits(other), (a, b) => Math.Abs((double)a - b)).Max();

float[] Logits(PeftModel peft)
{
    using var scope = new TensorScope();
    int[] ids = tokenizer.Encode(rows[0].PromptAndCompletion!.Value.Prompt).Ids;
    return peft.Base.Logits(ModelInputs.From(backend, ids, batch: 1)).ToFloats();
}

/// <summary>The hyperparameters, one row each: adapter_config.json, --method-options and the checks follow from the rows.</summary>
internal sealed record OutputScaleConfig : LinearAdapterConfig
{
    public static ConfigFields<OutputScaleConfig> Fields { get; } = new ConfigFields<OutputScaleConfig>(new())
        .Targets(exclude: true, layers: true)
        .Float("init_deviation", c => c.InitDeviation, (c, v) => c with { InitDeviation = v },
            "Standard deviation of the initial s; with 0 the adapter starts as the identity.", min: 0, max: 1);

    public double InitDeviation { get; init; }

    protected override LinearAdapter CreateAdapter(AdapterSite site) => new OutputScale(site, (float)InitDeviation);
}

/// <summary>The method on one layer: a forward hook and its parameter.</summary>
internal sealed class OutputScale : LinearAdapter
{
    private readonly PeftCore.Nn.Parameter _s;

    public OutputScale(AdapterSite site, float initDeviation) : base(site) =>
        _s = Add("output_scale", [site.Layer.Outputs], initDeviation);

    public override Tensor Forward(Tensor x, Tensor y) => y.MultiplyRow(_s.Value + 1);
}
