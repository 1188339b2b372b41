using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Tensors;
using PeftCore.Tests.Training;
using PeftCore.Tokenizers;
using PeftCore.Training;

namespace PeftCore.Tests.Peft.Sparse;

[TestFixtureSource(typeof(Family), nameof(Family.All))]
public sealed class SparseTests(Family family)
{
    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load() => _bench = new Bench(family);

    [TearDown]
    public void Free() => _bench.Dispose();

    [TestCase(SelectionCriterion.Gradient)]
    [TestCase(SelectionCriterion.Fisher)]
    [TestCase(SelectionCriterion.Snip)]
    [TestCase(SelectionCriterion.Movement)]
    [TestCase(SelectionCriterion.Magnitude)]
    public void Scores_are_what_the_criterion_says_of_the_dense_gradient(SelectionCriterion criterion)
    {
        var batches = Runs.Loader(6, 1, 3, shuffle: false).Epoch().ToList();
        long before = _bench.Backend.Memory.CurrentBytes;
        var scores = WeightSelection.Score(_bench.Base, criterion, batches);
        Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(before));
        Assert.That(scores.Paths, Has.None.Contains("lm_head"));
        var dense = scores.Paths.ToDictionary(path => path, _ => new List<float[]>());
        _bench.Base.SetRequiresGrad(true);
        foreach (var batch in batches)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            tape.Backward(_bench.Base.Loss(batch.ToInputs(_bench.Base), batch.ToTargets(_bench.Base)));
            foreach (string path in scores.Paths)
            {
                dense[path].Add(WeightOf(path).Gradient!.ToArray<float>());
            }
            foreach (var (_, parameter) in _bench.Base.NamedParameters())
            {
                parameter.Value.FreeGradient();
            }
        }
        _bench.Base.SetRequiresGrad(false);
        foreach (string path in scores.Paths)
        {
            float[] w = WeightOf(path).Value.ToArray<float>();
            float[] expected =
                [.. w.Select((weight, i) => (float)Score(criterion, weight, [.. dense[path].Select(gradient => (double)gradient[i])]))];
            Assert.That(Fixtures.Error(scores.Of(path), expected), Is.LessThan(1e-5), path);
        }
    }

    [Test]
    public void The_optimizer_remembers_two_numbers_for_each_chosen_entry_and_nothing_for_the_others()
    {
        var mask = WeightSelection.Score(_bench.Base, SelectionCriterion.Magnitude).Choose(0.02);
        Model.AddAdapter(new SparseConfig { Mask = mask });
        using var optimizer = new AdamW(Model.Parameters);
        Assert.That(optimizer.States.SelectMany(state => state.Moments).Sum(moment => moment.Value.Count), Is.EqualTo(2 * mask.Count));
        Assert.That(Model.TrainableCount, Is.EqualTo(mask.Count));
    }

    [Test]
    public void A_round_drops_what_moved_least_and_trains_where_the_gradient_is_largest()
    {
        Model.AddAdapter(new SparseConfig
        {
            Density = 0.05, Criterion = SelectionCriterion.Random, Scope = SelectionScope.Tensor,
            RefineEvery = 3, RefineFraction = 0.5
        }, seed: 4);
        ITrainable trainable = new TrainableAdapter(Model);
        using var optimizer = new AdamW(trainable.Parameters);
        var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer));
        var layer = (SparseAdapter)Model.Get(PeftModel.DefaultAdapter).Layers[0].Layer;
        int[] before = layer.Places;
        var batch = Runs.Loader(3, 1, 3).Next();
        step.Run([batch], 1e-2, number: 0);
        step.Run([batch], 1e-2, number: 1);
        Assert.That(layer.Places, Is.EqualTo(before));
        step.Run([batch], 1e-2, number: 2);
        int[] after = layer.Places;
        float[] values = layer.Values.Value.ToArray<float>(),
            moments = optimizer.States.Single(state => state.Parameter == layer.Values).Moments[0].Value.ToArray<float>();
        int[] grown = [.. after.Except(before)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(after, Is.Ordered.And.Unique.And.Length.EqualTo(before.Length));
            Assert.That(grown, Has.Length.EqualTo(before.Length / 2));
            Assert.That(grown.Select(place => values[Array.IndexOf(after, place)]), Is.All.Zero);
            Assert.That(grown.Select(place => moments[Array.IndexOf(after, place)]), Is.All.Zero);
            Assert.That(after.Except(grown).Select(place => values[Array.IndexOf(after, place)]), Is.All.Not.Zero);
            Assert.That(layer.Observer, Is.Null);
        }
        step.Run([batch], 1e-2, number: 3);
        Assert.That(layer.Values.Value.ToArray<float>(), Has.None.Zero);
        using var directory = new TemporaryDirectory();
        float[] logits = _bench.Logits();
        Model.SaveState(directory.FullPath);
        Model.AddAdapter(new SparseConfig { Density = 0.05, Criterion = SelectionCriterion.Random, Scope = SelectionScope.Tensor }, "other",
            seed: 5);
        Model.Reload(directory.FullPath, "other");
        Assert.That(_bench.Logits(), Is.EqualTo(logits), "places are read as well as values");
    }

    [Test]
    public void All_batches_of_a_step_decide_where_others_grow()
    {
        int[] Grown(string name, params Batch[] batches)
        {
            Model.AddAdapter(new SparseConfig
            {
                Density = 0.05, Criterion = SelectionCriterion.Random, Scope = SelectionScope.Tensor,
                RefineEvery = 1, RefineFraction = 0.5
            }, name, seed: 4);
            ITrainable trainable = new TrainableAdapter(Model);
            using var optimizer = new AdamW(trainable.Parameters);
            var layer = (SparseAdapter)Model.Get(name).Layers[0].Layer;
            int[] before = layer.Places;
            CapturedStep.Wrap(new TrainingStep(trainable, optimizer)).Run(batches, 1e-2);
            return [.. layer.Places.Except(before)];
        }

        Batch one = Runs.Loader(3, 1, 3).Next(), other = Runs.Loader(3, 8, 3).Next();
        int[] both = Grown("both", one, other), last = Grown("last", other);
        Assert.That(both, Is.EquivalentTo(Grown("turned", other, one)).And.Not.EquivalentTo(last));
        Assert.That(Grown("twice", other, other), Is.EquivalentTo(last));
    }

    [Test]
    public void A_mask_survives_its_file_and_one_of_another_model_is_refused()
    {
        using var directory = new TemporaryDirectory();
        var mask = WeightSelection.Score(_bench.Base, SelectionCriterion.Random, targets: ModuleSelector.Of(family.Attention))
            .Choose(0.1, SelectionScope.Tensor);
        mask.Save(directory["mask.safetensors"]);
        var loaded = SparseMask.Load(directory["mask.safetensors"]);
        Assert.That(loaded.Paths.Select(path => loaded.Of(path)),
            Is.EqualTo(mask.Paths.Order(StringComparer.Ordinal).Select(path => mask.Of(path))));
        Model.AddAdapter(new SparseConfig
        {
            MaskPath = directory["mask.safetensors"],
            TargetModules = ModuleSelector.Of(family.Attention)
        });
        Assert.That(Model.TrainableCount, Is.EqualTo(mask.Count));
        Refused("not one of the target modules", new SparseConfig
        {
            MaskPath = directory["mask.safetensors"],
            TargetModules = ModuleSelector.Of(family.MlpOutput)
        });
        string path = mask.Paths.First();
        Refused("beyond the end", new SparseConfig
        {
            Mask = new SparseMask([new(path, [1 << 28])]),
            TargetModules = ModuleSelector.Of(family.Attention)
        });
        Refused("needs data", new SparseConfig());
        Assert.That(() => WeightSelection.Score(_bench.Base, SelectionCriterion.Gradient, []),
            Throws.TypeOf<BadInputException>().With.Message.Contains("unload"));
        Model.Unload();
        Assert.That(() => WeightSelection.Score(_bench.Base, SelectionCriterion.Gradient, []),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no data"));
    }

    private void Refused(string what, SparseConfig config) =>
        Assert.That(() => Model.AddAdapter(config, "refused"), Throws.TypeOf<BadInputException>().With.Message.Contains(what));

    private Parameter WeightOf(string path) => ((Linear)_bench.Base.Find(path)!).Weight;

    private static double Score(SelectionCriterion criterion, double w, double[] gradients) => criterion switch
    {
        SelectionCriterion.Gradient => Math.Abs(gradients.Sum()),
        SelectionCriterion.Fisher => gradients.Sum(g => g * g),
        SelectionCriterion.Snip => Math.Abs(w * gradients.Sum()),
        SelectionCriterion.Movement => -w * gradients.Sum(),
        _ => Math.Abs(w),
    };
}

/// <summary>Chosen entries compared with random ones, on the bundled model.</summary>
public sealed class SparseTrainingTests
{
    private const double Density = 0.01;
    private const int Steps = 24;

    private static readonly string Demo = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo");

    [Test]
    public void One_entry_in_a_hundred_chosen_by_gradient_beats_one_drawn_at_random_and_takes_a_small_file()
    {
        using var directory = new TemporaryDirectory();
        double byGradient = LossAfter(SelectionCriterion.Gradient, directory["adapter"]),
            byChance = LossAfter(SelectionCriterion.Random, null);
        TestContext.Out.WriteLine($"held-out loss after {Steps} steps: {byGradient:0.0000} by gradient, {byChance:0.0000} by chance");
        Assert.That(byGradient, Is.LessThan(byChance - 0.01));
        long adapter = new FileInfo(directory["adapter", "adapter_model.safetensors"]).Length,
            whole = new FileInfo(Path.Combine(Demo, "base-llama", "model.safetensors")).Length;
        TestContext.Out.WriteLine($"{adapter} bytes, {100.0 * adapter / whole:0.00}% of the base's {whole}");
        Assert.That(adapter, Is.LessThan(0.03 * whole));
    }

    private static double LossAfter(SelectionCriterion criterion, string? directory)
    {
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        string source = Path.Combine(Demo, "base-llama");
        var model = new PeftModel(ModelLoader.Load(source, backend));
        var encoder = new ExampleEncoder(Tokenizer.FromDirectory(source), new EncodeOptions { MaxSeqLength = 64 });
        DataLoader Loader(string name) => new(encoder.Encode([.. DataFiles.ReadFile(Path.Combine(Demo, "data", name)).Take(128)]),
            new LoaderOptions { BatchSize = 8, PadId = 1, Seed = 1 });
        var train = Loader("train.jsonl");
        var scores = WeightSelection.Score(model.Base, criterion, train.Epoch().Take(8), seed: 3);
        var mask = scores.Choose(Density);
        Assert.That(mask.Count, Is.EqualTo((long)Math.Round(Density * scores.Count)));
        model.AddAdapter(new SparseConfig { Mask = mask });
        ITrainable trainable = new TrainableAdapter(model);
        using var optimizer = new AdamW(trainable.Parameters);
        Assert.That(optimizer.States.SelectMany(state => state.Moments).Sum(moment => moment.Value.ByteCount),
            Is.EqualTo(2 * sizeof(float) * mask.Count));
        var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        for (int i = 0; i < Steps; i++)
        {
            step.Run([train.Next()], 3e-3, i);
        }
        if (directory is not null)
        {
            model.Save(directory);
        }
        double loss = Evaluation.Run(model.Base, Loader("valid.jsonl").Epoch()).Loss;
        model.Unload();
        model.Base.Dispose();
        return loss;
    }
}
