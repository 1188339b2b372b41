using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>On the CPU, a captured graph computes the same bits as the eager pass, in the same memory, whatever runs between the
/// passes.</summary>
public sealed class CapturedStepTests
{
    private const int Steps = 6;

    /// <summary>Tokens of each of two rows: together more than the rows up to which weights are not packed.</summary>
    private const int Length = 20;

    [Test, Pairwise]
    public void A_captured_step_gives_the_same_bits_as_an_eager_one([Values("llama", "gpt2")] string family,
        [Values(0, 0.3)] double dropout, [Values(1, 3)] int accumulation,
        [Values] bool checkpointing, [Values] bool packWeights, [Values(1, 2)] int threads)
    {
        var setup = new Setup(family, dropout, checkpointing);
        var (values, launches) = Train(new CpuBackend(threads, packWeights: packWeights), setup, i => SameShape(i, accumulation));
        var (expected, none) = Train(new CpuBackend(threads, packWeights: packWeights, captureGraphs: false), setup,
            i => SameShape(i, accumulation));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            // The first micro batch and the later ones are two graphs: the later ones add to gradients. Each runs eagerly once and is
            // captured once; and once more if weights that were packed in between have moved those gradients.
            int again = packWeights && accumulation > 1 ? 2 : 0;
            Assert.That(launches, Is.EqualTo(accumulation == 1 ? Steps - 2 : Steps * accumulation - 2 - 2 - again));
            Assert.That(none, Is.Zero);
        }
    }

    [Test]
    public void Batches_of_many_shapes_give_the_same_bits([Values("llama", "gpt2")] string family, [Values] bool packed)
    {
        var options = new LoaderOptions { BatchSize = 2, PadId = 0, Seed = 3, Shuffle = packed, PackInto = packed ? 24 : null };
        Batch[][] Draw()
        {
            var loader = new DataLoader(Runs.Examples(11, 4), options);
            return [.. Enumerable.Range(0, 24).Select(_ => new[] { loader.Next() })];
        }
        var batches = Draw();
        var setup = new Setup(family, 0.2, false);
        var (values, launches) = Train(new CpuBackend(1), setup, i => batches[i], batches.Length);
        var (expected, _) = Train(new CpuBackend(1, captureGraphs: false), setup, i => batches[i], batches.Length);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            Assert.That(launches, Is.GreaterThan(0));
        }
    }

    [Test]
    public void Two_runs_with_as_many_threads_give_the_same_bits([Values(1, 2, 3)] int threads)
    {
        var setup = new Setup("llama", 0.1, false);
        var first = Train(new CpuBackend(threads), setup, i => SameShape(i, 1)).Values;
        Assert.That(Train(new CpuBackend(threads), setup, i => SameShape(i, 1)).Values, Is.EqualTo(first));
    }

    [Test]
    public void Captured_graphs_hold_no_memory_and_the_peak_is_the_planned_one([Values("llama", "gpt2")] string family,
        [Values(1, 2)] int accumulation)
    {
        var setup = new Setup(family, 0, false);
        var plan = MemoryPlan.Of(backend => new TrainableAdapter(setup.Build(backend)), 2, Length,
            new TrainerOptions { GradientAccumulationSteps = accumulation });
        var cpu = new CpuBackend(1);
        var standing = new List<long>();
        Train(cpu, setup, i =>
        {
            standing.Add(cpu.Memory.CurrentBytes);
            return SameShape(i, accumulation);
        }, onEnd: () => standing.Add(cpu.Memory.PeakBytes));
        Assert.That(standing[1..^1], Has.All.EqualTo(standing[1]));
        Assert.That(standing[^1], Is.EqualTo(plan.PeakBytes));
    }

    [Test]
    public void What_moves_in_memory_is_captured_anew()
    {
        var setup = new Setup("llama", 0, false);
        var cpu = new CpuBackend(1);
        Tensor? other = null;
        var (values, launches) = Train(cpu, setup, i =>
        {
            other ??= i == 3 ? cpu.NewTensor([1 << 12]) : null;
            return SameShape(i, 1);
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(Train(new CpuBackend(1, captureGraphs: false), setup, i => SameShape(i, 1)).Values));
            Assert.That(launches, Is.EqualTo(2)); // steps 2 and 5; in 3 an address is in use, 4 is captured
        }
    }

    [Test]
    public void Chunks_given_back_to_the_system_are_not_written_to()
    {
        var setup = new Setup("gpt2", 0, false);
        var cpu = new CpuBackend(1);
        var (values, _) = Train(cpu, setup, i =>
        {
            if (i == 3)
            {
                using (cpu.NewTensor([(int)(Arena.DefaultChunk / sizeof(float))])) { }
                cpu.Trim();
            }
            return SameShape(i, 1);
        });
        Assert.That(values, Is.EqualTo(Train(new CpuBackend(1, captureGraphs: false), setup, i => SameShape(i, 1)).Values));
    }

    [Test]
    public void A_captured_step_that_fails_loses_no_memory_and_the_next_one_goes_on()
    {
        var setup = new Setup("llama", 0, false);
        var cpu = new CpuBackend(2);
        var standing = new List<long>();
        int failed = 0;
        var (values, launches) = Train(cpu, setup, i =>
        {
            standing.Add(cpu.Memory.CurrentBytes);
            return SameShape(i, 1);
        }, Steps, run: (step, i) =>
        {
            if (i == 4)
            {
                var bad = SameShape(i, 1)[0];
                bad.Targets[2] = 1_000_000;
                Assert.That(() => step.Run([bad], 1e-2, i, (ulong)i), Throws.TypeOf<ArgumentOutOfRangeException>());
                failed++;
            }
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failed, Is.EqualTo(1));
            Assert.That(standing.Skip(1).Distinct().Count(), Is.EqualTo(1));
            Assert.That(launches, Is.EqualTo(Steps - 2));
            Assert.That(values, Is.EqualTo(Train(new CpuBackend(2, captureGraphs: false), setup, i => SameShape(i, 1)).Values));
        }
    }

    private static Batch[] SameShape(int step, int count) =>
        [.. Enumerable.Range(0, count).Select(i => new Collator(0).Collate([.. Enumerable.Range(0, 2).Select(row =>
        {
            int[] ids = [.. Enumerable.Range(0, Length).Select(t => 3 + (31 * step + 17 * i + 7 * row + 5 * t) % 90)];
            return new Example(ids, ids);
        })]))];

    private static (List<double> Values, int Launches) Train(CpuBackend cpu, Setup setup, Func<int, Batch[]> batches, int steps = Steps,
        Action? onEnd = null,
        Action<ITrainingStep, int>? run = null)
    {
        using var owner = cpu;
        using var scope = new TensorScope();
        var model = setup.Build(cpu);
        ITrainable trainable = new TrainableAdapter(model);
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        cpu.Memory.ResetPeak();
        var values = new List<double>();
        ulong pass = 0;
        for (int i = 0; i < steps; i++)
        {
            var drawn = batches(i);
            run?.Invoke(step, i);
            var result = step.Run(drawn, 1e-2, i, pass);
            pass += (ulong)drawn.Length;
            values.AddRange([result.Loss, result.GradientNorm]);
        }
        onEnd?.Invoke();
        values.AddRange(model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).Select(value => (double)value));
        return (values, ((CapturedStep)step).GraphLaunches);
    }

    private sealed record Setup(string Family, double Dropout, bool Checkpointing)
    {
        public PeftModel Build(Backend backend)
        {
            var model = new PeftModel(Runs.Model(Family, backend));
            model.Base.GradientCheckpointing = Checkpointing;
            model.AddAdapter(new LoraConfig
            {
                Rank = 4, Alpha = 8, Dropout = Dropout,
                TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear)
            }, seed: 5);
            return model;
        }
    }
}
