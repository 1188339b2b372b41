using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Optim;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

public sealed class TrainingStepTests
{
    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(2, poison: true);

    [TearDown]
    public void Close() => _backend.Dispose();

    [TestCase("llama", false)]
    [TestCase("llama", true)]
    [TestCase("gpt2", false)]
    [TestCase("gpt2", true)]
    public void After_a_step_exactly_the_bytes_from_before_it_are_alive(string family, bool checkpointing)
    {
        var trainable = Runs.Lora(family, _backend);
        trainable.Model.GradientCheckpointing = checkpointing;
        using var optimizer = new AdamW(trainable.Parameters);
        var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        var batches = Runs.Loader(12, 1, 3).Epoch().ToList();
        step.Run(batches[..1], 1e-3); // The first forward pass makes the rotary tables, which stay.
        long before = _backend.Memory.CurrentBytes;
        for (int i = 0; i < 3; i++)
        {
            step.Run(batches[i..(i + 1)], 1e-3);
            Assert.That(_backend.Memory.CurrentBytes, Is.EqualTo(before));
        }
    }

    [Test]
    public void Accumulated_batches_give_the_step_of_one_large_batch_however_many_targets_each_has()
    {
        var examples = Runs.Examples(8, 3);
        var small = new DataLoader(examples, new LoaderOptions { BatchSize = 2, PadId = 0, Shuffle = false }).Epoch().ToList();
        var large = new DataLoader(examples, new LoaderOptions { BatchSize = 8, PadId = 0, Shuffle = false }).Epoch().ToList();
        var (many, manyResult) = OneStep(small);
        var (one, oneResult) = OneStep(large);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(small.Select(batch => batch.TrainableTokens).Distinct().Count(), Is.GreaterThan(1));
            Assert.That(manyResult.Loss, Is.EqualTo(oneResult.Loss).Within(1e-5));
            Assert.That(manyResult.GradientNorm, Is.EqualTo(oneResult.GradientNorm).Within(1e-5));
            Assert.That(manyResult.Targets, Is.EqualTo(oneResult.Targets));
            Assert.That(manyResult.Tokens, Is.EqualTo(examples.Sum(example => example.Ids.Length)));
            foreach (var (name, values) in one)
            {
                Assert.That(Fixtures.Error(many[name], values), Is.LessThan(1e-3), name);
            }
        }
    }

    [Test]
    public void Clipping_bounds_what_the_optimizer_sees()
    {
        var trainable = new FullModel(Runs.Model("llama", _backend));
        var before = Runs.Values(trainable);
        using var optimizer = new Sgd(trainable.Parameters);
        var result = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 0.01)).Run([.. Runs.Loader(4, 1, 4).Epoch()], 1);
        var after = Runs.Values(trainable);
        double moved = Math.Sqrt(after.Sum(p => p.Value.Zip(before[p.Key]).Sum(v => Math.Pow(v.First - v.Second, 2))));
        Assert.That(result.GradientNorm, Is.GreaterThan(0.01));
        Assert.That(moved, Is.EqualTo(0.01).Within(1e-5));
    }

    [Test]
    public void A_gradient_that_is_no_number_stops_the_step_names_its_parameter_and_changes_nothing()
    {
        var trainable = new FullModel(Runs.Model("llama", _backend));
        Poison(trainable, "model.layers.1.mlp.up_proj.weight");
        var before = Runs.Values(trainable);
        using var optimizer = new AdamW(trainable.Parameters);
        long bytes = _backend.Memory.CurrentBytes;
        var failure = Assert.Throws<TrainingDivergedException>(() =>
            CapturedStep.Wrap(new TrainingStep(trainable, optimizer)).Run([.. Runs.Loader(2, 1, 2).Epoch()], 1e-3, number: 41));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Step, Is.EqualTo(42));
            Assert.That(failure.Parameter, Is.EqualTo("model.embed_tokens.weight"));
            Assert.That(failure.Message,
                Does.StartWith(
                "training diverged at step 42: the loss became NaN, first in the gradient of \"model.embed_tokens.weight\""));
            Assert.That(Runs.Values(trainable), Is.EqualTo(before));
            Assert.That(_backend.Memory.Current(MemoryKind.Gradient), Is.Zero);
            Assert.That(trainable.Model.Mode.Training, Is.False);
        }
    }

    [Test]
    public void Batches_without_a_target_add_nothing_and_a_step_without_any_is_an_error()
    {
        var masked = new Collator(0).Collate([new Example([5, 6, 7], [Example.Masked, Example.Masked, Example.Masked])]);
        var real = new Collator(0).Collate(Runs.Examples(2, 4));
        var (with, _) = OneStep([masked, real]);
        var (without, _) = OneStep([real]);
        Assert.That(with, Is.EqualTo(without));
        Assert.That(() => OneStep([masked]), Throws.TypeOf<BadInputException>().With.Message.Contains("step 1 has no token to learn"));
    }

    [Test]
    public void Dropout_is_drawn_anew_for_each_pass_and_found_again_by_its_number()
    {
        var trainable = Runs.Lora("llama", _backend, dropout: 0.5);
        using var optimizer = new Sgd(trainable.Parameters);
        var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer));
        var batch = Runs.Loader(4, 1, 4).Epoch().ToList();
        step.Run(batch, 1); // B starts at zero; only then does dropout show.
        double Loss(ulong pass) => step.Run(batch, 0, firstPass: pass).Loss;
        double[] losses = [Loss(7), Loss(8), Loss(7)];
        Assert.That(losses[2], Is.EqualTo(losses[0]));
        Assert.That(losses[1], Is.Not.EqualTo(losses[0]));
    }

    private (Dictionary<string, float[]> Values, StepResult Result) OneStep(List<Batch> batches)
    {
        var trainable = new FullModel(Runs.Model("llama", _backend));
        using var optimizer = new Sgd(trainable.Parameters);
        var result = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 0)).Run(batches, 0.1);
        var values = Runs.Values(trainable);
        trainable.Model.Dispose();
        return (values, result);
    }

    private void Poison(FullModel trainable, string name)
    {
        var parameter = trainable.Parameters.Single(p => p.Name == name).Parameter;
        float[] values = parameter.Value.ToArray<float>();
        values[3] = float.NaN;
        _backend.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()), parameter.Value);
    }
}
