using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>Weights off the device, in host memory or in their file, change where they are and nothing else.</summary>
public sealed class OffloadTests
{
    private const int Steps = 5, Rows = 2, Length = 12;

    private static readonly Dictionary<string, DeepModel> Models = [];

    /// <summary>Where offloaded weights are.</summary>
    public enum Kept
    {
        OnHost,
        OnDisk,
    }

    [OneTimeTearDown]
    public void RemoveModels()
    {
        foreach (var model in Models.Values)
        {
            model.Dispose();
        }
        Models.Clear();
    }

    [Test, Pairwise]
    public void A_run_gives_the_same_bits([Values("llama", "gpt2", "t5", "bert")] string family, [Values(0, 0.3)] double dropout,
        [Values(1, 3)] int accumulation, [Values] bool checkpointing, [Values] bool captureGraphs, [Values(3, 4, 5)] int offloaded,
        [Values] Kept kept)
    {
        var setup = new Setup(family, dropout, checkpointing);
        var (values, _) = Train(NewBackend(setup, kept, offloaded, captureGraphs), setup, accumulation);
        var (expected, _) = Train(new CpuBackend(1, captureGraphs: captureGraphs), setup, accumulation);
        Assert.That(values, Is.EqualTo(expected));
    }

    [Test]
    public void Checkpoints_on_the_host_give_the_same_bits([Values("llama", "t5")] string family, [Values(0, 4)] int offloaded,
        [Values(1, 2)] int accumulation)
    {
        var setup = new Setup(family, 0.3, true);
        var cpu = NewBackend(setup, Kept.OnHost, offloaded, captureGraphs: true);
        var (values, _) = Train(cpu, setup with { OffloadsCheckpoints = true }, accumulation);
        var (expected, _) = Train(new CpuBackend(1), setup, accumulation);
        Assert.That(values, Is.EqualTo(expected));
    }

    [Test]
    public void A_step_takes_and_copies_what_is_planned([Values("llama", "gpt2", "t5")] string family, [Values(1, 2, 3)] int accumulation,
        [Values] bool checkpointing, [Values] bool offloadsCheckpoints, [Values] bool captureGraphs)
    {
        var setup = new Setup(family, 0, checkpointing) { OffloadsCheckpoints = offloadsCheckpoints };
        var planned = PlanWithin(setup, accumulation, Kept.OnHost, out var cpu, captureGraphs);
        var (_, run) = Train(cpu, setup, accumulation);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(planned.Blocks.Count(block => block.Place == "host"), Is.GreaterThanOrEqualTo(3));
            Assert.That(run.PeakBytes, Is.EqualTo(planned.PeakBytes));
            Assert.That(run.HostBytes, Is.EqualTo(planned.HostBytes));
            Assert.That(run.StreamedBytes, Is.EqualTo(planned.StreamedBytes));
            Assert.That(run.LeftBytes, Is.Zero);
            Assert.That(run.LeftHostBytes, Is.Zero);
        }
    }

    [Test]
    public void Weights_on_disk_take_no_memory([Values("llama", "t5")] string family)
    {
        var setup = new Setup(family, 0, false);
        var planned = PlanWithin(setup, 1, Kept.OnDisk, out var cpu);
        var (_, run) = Train(cpu, setup, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(planned.Blocks.Count(block => block.Place == "disk"), Is.GreaterThan(0));
            Assert.That(run.PeakBytes, Is.EqualTo(planned.PeakBytes));
            Assert.That(run.LeftBytes, Is.Zero);
        }
    }

    [Test]
    public void Streamed_blocks_are_copied_once_a_pass_but_for_those_that_stay_in_the_slots()
    {
        var setup = new Setup("llama", 0, false);
        var placement = Placement(setup, Kept.OnHost, 5);
        var (_, run) = Train(NewBackend(setup, Kept.OnHost, 5), setup, 1);
        long block = placement.Blocks[0].Bytes;
        // Forward copies blocks 2 to 4, backward blocks 2 to 0; the last two of each pass are there when the next one begins.
        Assert.That(run.StreamedBytes, Is.EqualTo(2 * (5 - LayerStreamer.SlotCount) * block));
    }

    [Test]
    public void Blocks_below_the_lowest_adapter_are_not_copied_for_a_backward_pass()
    {
        var setup = new Setup("llama", 0, false) { Targets = @".*layers\.4\..*q_proj" };
        long block = Placement(setup, Kept.OnHost, 5).Blocks[0].Bytes;
        var (values, run) = Train(NewBackend(setup, Kept.OnHost, 5), setup, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(Train(new CpuBackend(1), setup, 1).Values));
            Assert.That(run.StreamedBytes, Is.LessThanOrEqualTo(5 * block));
        }
    }

    [Test]
    public void Evaluation_between_steps_changes_nothing([Values] bool captureGraphs)
    {
        var setup = new Setup("llama", 0.2, false);
        var (values, _) = Train(NewBackend(setup, Kept.OnHost, 4, captureGraphs), setup, 1, Evaluate);
        var (expected, _) = Train(new CpuBackend(1, captureGraphs: captureGraphs), setup, 1, Evaluate);
        Assert.That(values, Is.EqualTo(expected));

        static double Evaluate(PeftModel model)
        {
            using var scope = new TensorScope();
            using var eval = new EvalModeScope(model.Base.Mode);
            var batch = MemoryPlan.FullBatch(model.Base, Rows, Length, seed: 3);
            var (inputs, targets) = (batch.ToInputs(model.Base), batch.ToTargets(model.Base, batch.TrainableTokens));
            return Tape.NoGrad(() => model.Base.Loss(inputs, targets)).Item();
        }
    }

    [Test]
    public void Calls_of_several_threads_give_the_same_bits([Values] Kept kept)
    {
        var setup = new Setup("llama", 0, false);
        float[][] Logits(CpuBackend cpu)
        {
            using var owner = cpu;
            using var scope = new TensorScope();
            var peft = setup.Build(cpu);
            float[][] logits = new float[8][];
            Parallel.For(0, logits.Length, i =>
            {
                using var inner = new TensorScope();
                var batch = MemoryPlan.FullBatch(peft.Base, Rows, Length, (ulong)i % 4);
                logits[i] = Tape.NoGrad(() => peft.Base.Logits(batch.ToInputs(peft.Base))).ToFloats();
            });
            peft.Unload();
            peft.Base.Dispose();
            return logits;
        }
        Assert.That(Logits(NewBackend(setup, kept, 4)), Is.EqualTo(Logits(new CpuBackend(1))));
    }

    [Test]
    public void A_limit_that_cannot_be_kept_names_the_nearest_one()
    {
        var setup = new Setup("llama", 0, false);
        var all = PlanOf(setup, 1, 1L << 40, null, false); // With a limit, so that the plan repeats the step.
        var refused = PlanOf(setup, 1, 1 << 10, long.MaxValue, false);
        var kept = PlanOf(setup, 1, refused.NearestLimit, long.MaxValue, false);
        var narrow = PlanOf(setup, 1, refused.NearestLimit, 1 << 10, false);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refused.NearestLimit, Is.GreaterThan(1 << 10).And.LessThan(all.ReservedBytes + 1));
            Assert.That(kept.NearestLimit, Is.Zero);
            Assert.That(kept.ReservedBytes, Is.LessThanOrEqualTo(refused.NearestLimit));
            Assert.That(narrow.NearestLimit, Is.EqualTo(all.ReservedBytes));
        }
    }

    [Test]
    public void A_weight_off_the_device_is_neither_trained_nor_merged_into([Values] Kept kept)
    {
        var setup = new Setup("llama", 0, false);
        using var cpu = NewBackend(setup, kept, 5);
        using var scope = new TensorScope();
        var peft = setup.Build(cpu);
        var weight = ((Linear)peft.Base.Find("model.layers.1.mlp.up_proj")!).Weight;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => weight.RequiresGrad = true, Throws.TypeOf<BadInputException>());
            Assert.That(() => peft.MergeAndUnload(), Throws.TypeOf<BadInputException>());
            Assert.That(weight.Value.ToFloats(), Has.Some.Not.Zero);
        }
        peft.Unload();
        peft.Base.Dispose();
    }

    private static DeepModel ModelOf(string family)
    {
        lock (Models)
        {
            if (!Models.TryGetValue(family, out var model))
            {
                Models.Add(family, model = new DeepModel(family));
            }
            return model;
        }
    }

    private static OffloadPlacement Placement(Setup setup, Kept kept, int offloaded)
    {
        using var meta = new MetaBackend();
        using var scope = new TensorScope();
        var model = setup.Build(meta).Base;
        return OffloadedBlocks.Of(model, kept == Kept.OnDisk ? OffloadPlace.Disk : OffloadPlace.Host).With(offloaded);
    }

    private static CpuBackend NewBackend(Setup setup, Kept kept, int offloaded, bool captureGraphs = true) =>
        new(1, captureGraphs: captureGraphs, poison: true)
        {
            CopiesAsCard = kept == Kept.OnHost, Offload = offloaded == 0 ? null : Placement(setup, kept, offloaded)
        };

    /// <summary>A plan that streams, within a limit below what the run takes with all weights on the device.</summary>
    private static MemoryPlan PlanWithin(Setup setup, int accumulation, Kept kept, out CpuBackend cpu, bool captureGraphs = true)
    {
        var all = PlanOf(setup, accumulation, long.MaxValue, null, false);
        bool onDisk = kept == Kept.OnDisk;
        var least = PlanOf(setup, accumulation, 1, onDisk ? null : long.MaxValue, onDisk);
        var plan = PlanOf(setup, accumulation, (least.PeakBytes + all.PeakBytes) / 2, onDisk ? null : long.MaxValue, onDisk);
        cpu = new CpuBackend(1, captureGraphs: captureGraphs) { CopiesAsCard = !onDisk };
        plan.ApplyTo(cpu);
        return plan;
    }

    private static MemoryPlan PlanOf(Setup setup, int accumulation, long limit, long? hostLimit, bool onDisk) =>
        MemoryPlan.Of(setup.Build, Rows, Length, new TrainerOptions { GradientAccumulationSteps = accumulation }, memoryLimit: limit,
            chunkBytes: 1 << 12, hostLimit: hostLimit, keepOnDisk: onDisk);

    private static (List<double> Values, Run Run) Train(CpuBackend cpu, Setup setup, int accumulation,
        Func<PeftModel, double>? afterStep = null)
    {
        using var owner = cpu;
        using var scope = new TensorScope();
        var model = setup.Build(cpu);
        ITrainable trainable = new TrainableAdapter(model);
        var values = new List<double>();
        long streamed = 0;
        long peak = 0;
        using (var optimizer = new AdamW(trainable.Parameters))
        using (var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1)))
        {
            for (int i = 0; i < Steps; i++)
            {
                var batches = Enumerable.Range(0, accumulation)
                    .Select(j => MemoryPlan.FullBatch(model.Base, Rows, Length, (ulong)(10 * i + j))).ToList();
                long before = cpu.UploadedBytes;
                var result = step.Run(batches, 1e-2, i, (ulong)(i * accumulation));
                streamed = cpu.UploadedBytes - before;
                values.AddRange([result.Loss, result.GradientNorm]);
                if (afterStep is not null)
                {
                    values.Add(afterStep(model));
                }
            }
            peak = cpu.Memory.PeakBytes;
        }
        values.AddRange(model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).Select(value => (double)value));
        var run = new Run(peak, cpu.HostMemory?.PeakBytes ?? 0, streamed);
        model.Unload();
        model.Base.Dispose();
        return (values, run with { LeftBytes = cpu.Memory.CurrentBytes, LeftHostBytes = cpu.HostMemory?.CurrentBytes ?? 0 });
    }

    private sealed record Run(long PeakBytes, long HostBytes, long StreamedBytes, long LeftBytes = 0, long LeftHostBytes = 0);

    private sealed record Setup(string Family, double Dropout, bool Checkpointing)
    {
        public bool OffloadsCheckpoints { get; init; }

        public string Targets { get; init; } = ModuleSelector.AllLinear;

        public PeftModel Build(Backend backend)
        {
            var model = new PeftModel(ModelOf(Family).Load(backend));
            model.Base.GradientCheckpointing = Checkpointing;
            model.Base.OffloadCheckpoints = OffloadsCheckpoints;
            model.AddAdapter(new LoraConfig
            {
                Rank = 4, Alpha = 8, Dropout = Dropout, TargetModules = ModuleSelector.Parse(Targets)
            }, seed: 5);
            return model;
        }
    }
}
