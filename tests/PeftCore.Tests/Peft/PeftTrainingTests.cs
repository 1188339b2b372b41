using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Peft;

/// <summary>Properties of every method with all settings: the cost of a training step, and exact resumption.</summary>
[TestFixtureSource(typeof(MethodCases), nameof(MethodCases.OnAllFamilies))]
public sealed class PeftTrainingTests(MethodCase method, Family family)
{
    private const int Rows = 3, Length = 24;
    private const double Rate = 1e-2;

    [Test]
    public void A_step_takes_the_bytes_that_were_planned([Values] bool checkpointing)
    {
        var plan = Plan(DType.F32, checkpointing);
        using var cpu = new CpuBackend(1);
        var trainable = Build(new PeftModel(family.Load(cpu)), checkpointing);
        using var optimizer = new AdamW(trainable.Parameters);
        cpu.Memory.ResetPeak();
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer)).Run([MemoryPlan.FullBatch(trainable.Model, Rows, Length)], Rate);
        Assert.That(cpu.Memory.PeakBytes, Is.EqualTo(plan.PeakBytes).Within(1).Percent);
        trainable.Model.Dispose();
    }

    [Test]
    public void A_step_runs_where_activations_are_stored_in_bf16([Values] bool checkpointing) =>
        Assert.That(Plan(DType.BF16, checkpointing).SavedBytes, Is.LessThanOrEqualTo(Plan(DType.F32, checkpointing).SavedBytes));

    [Test]
    public void Gradients_are_made_of_what_trains_and_of_nothing_else([Values] bool checkpointing)
    {
        using var bench = new Bench(family);
        bench.Model.AddAdapter(method.Config(family));
        bench.Base.GradientCheckpointing = checkpointing;
        Step(bench); // The first one may build what a layer keeps.
        var taken = new List<MemoryEvent>();
        bench.Backend.Memory.Watcher = taken.Add;
        bench.Step();
        bench.Backend.Memory.Watcher = null;
        Assert.That(taken.Where(e => e is { Bytes: > 0, Kind: MemoryKind.Gradient }).Select(e => e.Bytes),
            Is.SubsetOf(bench.Model.Parameters.Select(p => p.Parameter.Value.Storage.ReservedBytes)));
        var trained = bench.Model.Parameters.Select(p => p.Parameter).ToHashSet();
        Assert.That(bench.Base.NamedParameters().Where(p => !trained.Contains(p.Parameter) && p.Parameter.Gradient is not null), Is.Empty);
    }

    [Test]
    public void Training_goes_on_from_what_was_saved_as_if_it_had_not_stopped()
    {
        using var directory = new TemporaryDirectory();
        using var first = new Bench(family);
        first.Model.AddAdapter(method.Config(family), seed: 1);
        Step(first);
        first.Model.SaveState(directory.FullPath);
        using var second = new Bench(family);
        second.Model.AddAdapter(method.Config(family), seed: 2);
        second.Model.LoadState(directory.FullPath);
        Assert.That(Step(second), Is.EqualTo(Step(first)));
        Assert.That(second.AdapterBytes(), Is.EqualTo(first.AdapterBytes()));
    }

    [Test]
    public void Steps_that_launch_a_captured_graph_give_the_same_bits()
    {
        (float[] Values, int Launches) Train(bool captureGraphs)
        {
            using var cpu = new CpuBackend(1, captureGraphs: captureGraphs);
            var model = new PeftModel(family.Load(cpu));
            var trainable = Build(model, checkpointing: false);
            using var optimizer = new AdamW(trainable.Parameters);
            using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer));
            for (int i = 0; i < 4; i++)
            {
                step.Run([MemoryPlan.FullBatch(trainable.Model, Rows, Length, (ulong)i)], Rate, i, (ulong)i);
            }
            float[] values = [.. model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>())];
            model.Unload();
            model.Base.Dispose();
            return (values, ((CapturedStep)step).GraphLaunches);
        }

        var (values, launches) = Train(captureGraphs: true);
        Assert.That(values, Is.EqualTo(Train(captureGraphs: false).Values));
        Assert.That(launches, Is.EqualTo(method.Config(family).SupportsGraphCapture ? 2 : 0));
    }

    private MemoryPlan Plan(DType activations, bool checkpointing) =>
        MemoryPlan.Of(backend => Build(new PeftModel(family.Plan((MetaBackend)backend)), checkpointing), Rows, Length,
            activations: activations);

    private ITrainable Build(PeftModel model, bool checkpointing)
    {
        model.AddAdapter(method.Config(family));
        model.Base.GradientCheckpointing = checkpointing;
        return new TrainableAdapter(model);
    }

    private static float Step(Bench bench)
    {
        using var optimizer = new AdamW(bench.Model.Parameters);
        float loss = bench.Step();
        optimizer.Step(Rate);
        optimizer.FreeGradients();
        return loss;
    }
}
