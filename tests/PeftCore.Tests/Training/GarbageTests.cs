using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

[NonParallelizable]
public sealed class GarbageTests
{
    /// <summary>Bytes that a step without a captured graph may leave to the garbage collector for each linear layer with LoRA on it:
    /// handles, nodes and their lists, but no tensor data.</summary>
    private const long PerLayer = 8_000;

    private const int Warmup = 3;

    [Test]
    public void A_step_allocates_nothing_once_its_pass_is_captured([Values("llama", "gpt2")] string family, [Values(1, 2)] int threads,
        [Values] bool packWeights, [Values(0, 0.1)] double dropout, [Values(1, 2)] int accumulation)
    {
        using var run = new Run(family, new CpuBackend(threads, packWeights: packWeights), dropout);
        Batch[] batches = [.. Enumerable.Range(0, accumulation).Select(i => MemoryPlan.FullBatch(run.Trainable.Model, 3, 24, (ulong)i))];
        run.Steps(batches, Warmup);
        // The whole process is measured, so that worker threads count too; what else runs in it may disturb some steps, but not every one.
        long least = long.MaxValue;
        for (int tries = 0; tries < 100 && least > 0; tries++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            run.Steps(batches, 1);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        using (Assert.EnterMultipleScope())
        {
            Assert.That(least, Is.Zero);
            Assert.That(((CapturedStep)run.Step).GraphLaunches, Is.GreaterThan(0));
        }
    }

    [Test]
    public void A_step_of_training_draws_its_batch_and_logs_without_allocating([Values] bool packed)
    {
        using var cpu = new CpuBackend(2);
        using var directory = new TemporaryDirectory();
        var examples = Enumerable.Range(0, 240).Select(i => Runs.Sentence(length: packed ? 5 : 10, seed: (ulong)i)).ToList();
        var loader = new DataLoader(examples, new LoaderOptions { BatchSize = 2, PadId = 0, PackInto = packed ? 10 : null });
        var options = new TrainerOptions { MaxSteps = 50, LoggingSteps = 2, OutputDirectory = directory.FullPath, SaveSteps = 0 };
        var trainer = new Trainer(Runs.Lora("llama", cpu), options, loader);
        long[] allocated = new long[options.MaxSteps];
        trainer.StepDone += progress => allocated[progress.Step - 1] = GC.GetTotalAllocatedBytes(precise: true);
        trainer.Run();
        var perStep = allocated.Zip(allocated.Skip(1), (before, after) => after - before).ToList();
        TestContext.Out.WriteLine(string.Join(' ', perStep));
        using (Assert.EnterMultipleScope())
        {
            // Every second step is logged. What else runs in the process may disturb some of them.
            Assert.That(perStep.Where((_, i) => i > 10 && i % 2 == 0).Min(), Is.Zero);
            Assert.That(perStep.Where((_, i) => i > 10 && i % 2 == 1).Min(), Is.Zero);
        }
    }

    [Test]
    public void Without_graphs_a_step_leaves_few_bytes_whatever_the_batch([Values("llama", "gpt2")] string family,
        [Values] bool packWeights)
    {
        using var run = new Run(family, new CpuBackend(1, packWeights: packWeights, captureGraphs: false), dropout: 0);
        int layers = run.Trainable.Parameters.Count / 2;
        long small = Allocated(run, 1, 8), large = Allocated(run, 4, 32);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(small, Is.LessThan(layers * PerLayer), $"{layers} layers");
            // The host copies of a batch's ids and positions are all that grows.
            Assert.That(large - small, Is.LessThan(4_000));
        }
    }

    [Test]
    public void A_captured_step_of_an_encoder_leaves_the_host_copies_of_its_inputs([Values(8, 64)] int length)
    {
        using var run = new Run("bert", new CpuBackend(1), dropout: 0);
        // Positions and ranges are three numbers a token; handles and their lists do not depend on the batch.
        Assert.That(Allocated(run, 4, length), Is.LessThan(5_000 + 4 * length * 16));
        Assert.That(((CapturedStep)run.Step).GraphLaunches, Is.EqualTo(Warmup + 1 - 2)); // The first is eager, the second captured.
    }

    private static long Allocated(Run run, int rows, int length)
    {
        Batch[] batches = [MemoryPlan.FullBatch(run.Trainable.Model, rows, length)];
        run.Steps(batches, Warmup);
        long before = GC.GetAllocatedBytesForCurrentThread();
        run.Steps(batches, 1);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>Steps of a small model, one after the other.</summary>
    private sealed class Run : IDisposable
    {
        private readonly TensorScope _scope = new();
        private readonly CpuBackend _cpu;
        private readonly PeftModel _model;
        private readonly PeftCore.Optim.Optimizer _optimizer;
        private int _done;

        public Run(string family, CpuBackend cpu, double dropout)
        {
            _cpu = cpu;
            _model = new PeftModel(Runs.Model(family, cpu));
            _model.AddAdapter(new LoraConfig
            {
                Rank = 4, Dropout = dropout,
                TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear)
            });
            Trainable = new TrainableAdapter(_model);
            _optimizer = new TrainerOptions().NewOptimizer(Trainable);
            Step = CapturedStep.Wrap(new TrainingStep(Trainable, _optimizer, maxGradNorm: 1));
        }

        public ITrainable Trainable { get; }

        public ITrainingStep Step { get; }

        public void Steps(Batch[] batches, int count)
        {
            for (int i = 0; i < count; i++, _done++)
            {
                Step.Run(batches, 1e-3, _done, (ulong)(_done * batches.Length));
            }
        }

        public void Dispose()
        {
            Step.Dispose();
            _optimizer.Dispose();
            _model.Unload();
            _model.Base.Dispose();
            _scope.Dispose();
            _cpu.Dispose();
        }
    }
}
