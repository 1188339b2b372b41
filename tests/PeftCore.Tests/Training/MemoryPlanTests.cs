using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

public sealed class MemoryPlanTests
{
    [Test]
    public void The_planned_peak_is_the_measured_one_to_the_byte(
        [Values("llama", "gpt2")] string family, [Values(2, 16)] int rank, [Values] bool checkpointing, [Values(1, 3)] int accumulation,
            [Values] bool packWeights)
    {
        ITrainable Build(Backend backend) => Adapter(family, backend, rank, checkpointing);
        var options = new TrainerOptions { GradientAccumulationSteps = accumulation };
        var plan = MemoryPlan.Of(Build, 3, 24, options, packWeights: packWeights);

        using var cpu = new CpuBackend(1, packWeights: packWeights);
        var trainable = Build(cpu);
        using var optimizer = options.NewOptimizer(trainable);
        var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, options.MaxGradNorm));
        if (packWeights)
        {
            step.Run([.. Enumerable.Repeat(MemoryPlan.FullBatch(trainable.Model, 3, 24), accumulation)], 1e-3);
        }
        long standing = cpu.Memory.CurrentBytes;
        cpu.Memory.ResetPeak();
        step.Run([.. Enumerable.Repeat(MemoryPlan.FullBatch(trainable.Model, 3, 24), accumulation)], 1e-3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes));
            Assert.That(plan.StandingBytes, Is.EqualTo(standing));
            Assert.That(plan.AtPeak.Values.Sum(), Is.EqualTo(plan.PeakBytes));
            foreach (var (kind, bytes) in plan.AtPeak)
            {
                Assert.That(bytes, Is.EqualTo(cpu.Memory.AtPeak(kind)), $"{kind}");
            }
            Assert.That(plan.ReservedBytes, Is.EqualTo(cpu.ReservedBytes));
        }
    }

    [Test]
    public void The_step_is_recorded_by_one_more_plan_and_only_if_the_trace_is_read()
    {
        int plans = 0;
        var plan = MemoryPlan.Of(backend =>
        {
            plans++;
            return Adapter("llama", backend, 2, checkpointing: false);
        }, 2, 8);
        Assert.That(plans, Is.EqualTo(1));
        var trace = plan.Trace!;
        Assert.That(trace.Ops, Is.Not.Empty);
        Assert.That(plan.Trace, Is.SameAs(trace));
        Assert.That(plans, Is.EqualTo(2));
    }

    [Test]
    public void A_plan_counts_loading_and_names_it_where_it_is_the_peak()
    {
        // A temporary tensor of the initialisation takes more than the step of one short row.
        ITrainable Build(Backend backend)
        {
            var peft = new PeftModel(Runs.Model("llama", backend));
            peft.AddAdapter(new LoraConfig { Rank = 1, TargetModules = ModuleSelector.Parse("q_proj") });
            using var scope = new TensorScope();
            backend.NewTensor([1 << 20]);
            return new TrainableAdapter(peft);
        }
        var plan = MemoryPlan.Of(Build, 1, 4);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.LoadingPeakBytes, Is.GreaterThan(4 << 20));
            Assert.That(plan.PeakBytes, Is.EqualTo(plan.LoadingPeakBytes));
            Assert.That(plan.PeakPlace, Is.EqualTo("loading"));
            Assert.That(plan.AtPeak.Values.Sum(), Is.EqualTo(plan.PeakBytes));
        }
    }

    [Test]
    public void A_plan_for_a_limited_arena_reserves_what_the_limited_arena_does()
    {
        ITrainable Build(Backend backend) => Adapter("llama", backend, 4, checkpointing: false);
        var free = MemoryPlan.Of(Build, 2, 16);
        long limit = 2 * free.PeakBytes;
        var plan = MemoryPlan.Of(Build, 2, 16, memoryLimit: limit);
        using var cpu = new CpuBackend(1, memoryLimit: limit);
        var trainable = Build(cpu);
        using var optimizer = new TrainerOptions().NewOptimizer(trainable);
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer)).Run([MemoryPlan.FullBatch(trainable.Model, 2, 16)], 1e-3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(free.ReservedBytes, Is.EqualTo(Arena.DefaultChunk));
            Assert.That(plan.ReservedBytes, Is.LessThanOrEqualTo(limit));
            Assert.That(plan.ReservedBytes, Is.EqualTo(cpu.PeakReservedBytes).Within(1).Percent);
            Assert.That(MemoryPlan.Of(Build, 2, 16, memoryLimit: free.PeakBytes / 2).ReservedBytes, Is.EqualTo(free.ReservedBytes),
                "what does not fit has the plan without a limit");
        }
    }

    [Test]
    public void A_whole_run_has_the_planned_peak([Values("llama", "gpt2")] string family)
    {
        var plan = MemoryPlan.Of(backend => new FullModel(Runs.Model(family, backend)), 2, 16);
        using var cpu = new CpuBackend(1);
        var trainable = new FullModel(Runs.Model(family, cpu));
        int[] ids = [.. Enumerable.Range(5, 16)];
        var loader = new DataLoader([.. Enumerable.Repeat(new Example(ids, ids), 6)], new LoaderOptions { BatchSize = 2, PadId = 0 });
        Assert.That(new Trainer(trainable, new TrainerOptions { Epochs = 1 }, loader, loader).Run().PeakBytes, Is.EqualTo(plan.PeakBytes));
    }

    [Test]
    public void A_plan_for_the_data_at_hand_has_the_peak_of_a_run_over_them()
    {
        using var cpu = new CpuBackend(1);
        var batches = Runs.Loader(9, 1, 3).Epoch().ToList();
        var trainable = Adapter("llama", cpu, 4, checkpointing: false);
        using var optimizer = new TrainerOptions().NewOptimizer(trainable);
        cpu.Memory.ResetPeak();
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer)).Run(batches, 1e-3);
        Assert.That(MemoryPlan.Of(backend => Adapted("llama", backend, 4, false), batches).PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes));
    }

    [Test]
    public void The_table_names_what_each_module_keeps_and_adds_up()
    {
        var plan = MemoryPlan.Of(backend => Adapter("llama", backend, 4, checkpointing: false), 2, 16);
        var q = plan.Layers.Single(layer => layer.Path.EndsWith("layers.0.self_attn.q_proj+k_proj+v_proj", StringComparison.Ordinal));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.Layers.Sum(layer => layer.SavedBytes), Is.EqualTo(plan.SavedBytes));
            Assert.That(q.Saved.Select(saved => saved.Name), Does.Contain("x"));
            Assert.That(q.SavedBytes, Is.GreaterThanOrEqualTo(2 * 16 * (32 + 3 * 4) * 4));
            Assert.That(plan.PeakPlace, Is.Not.Empty);
            Assert.That(plan.TrainableParameters, Is.EqualTo(Trainable(4)));
            Assert.That(plan.AtPeak[MemoryKind.Optimizer], Is.GreaterThanOrEqualTo(2 * 4 * plan.TrainableParameters));
        }
    }

    [Test]
    public void Checkpointing_keeps_less_and_computes_more()
    {
        var plain = MemoryPlan.Of(backend => Adapter("llama", backend, 4, checkpointing: false), 4, 48);
        var thrifty = MemoryPlan.Of(backend => Adapter("llama", backend, 4, checkpointing: true), 4, 48);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrifty.SavedBytes, Is.LessThan(0.4 * plain.SavedBytes));
            Assert.That(thrifty.PeakBytes, Is.LessThan(plain.PeakBytes));
            Assert.That(thrifty.ForwardFlops, Is.EqualTo(plain.ForwardFlops));
            Assert.That(thrifty.BackwardFlops, Is.GreaterThan(1.4 * plain.BackwardFlops));
        }
    }

    [Test]
    public void Forward_flops_are_those_counted_by_hand()
    {
        var plan = MemoryPlan.Of(backend => new FullModel(Runs.Model("gpt2", backend)), 2, 16,
            new TrainerOptions { GradientAccumulationSteps = 4 });
        const double Rows = 2 * 16, Width = 32, Vocabulary = 97;
        double block = 2 * Rows * Width * Width * (3 + 1 + 4 + 4) + 4 * 2 * Width * (16 * 17 / 2.0);
        // The loss forms its gradients in the forward pass: two more products with the vocabulary.
        double forward = 2 * block + 3 * 2 * Rows * Width * Vocabulary;
        Assert.That(plan.ForwardFlops, Is.EqualTo(4 * forward));
        Assert.That(plan.Parameters, Is.EqualTo(plan.TrainableParameters));
    }

    [Test]
    public void The_optimizer_counts()
    {
        long Peak(OptimizerKind kind, float momentum) => MemoryPlan.Of(backend => new FullModel(Runs.Model("gpt2", backend)), 1, 4,
            new TrainerOptions { Optimizer = kind, Momentum = momentum }).AtPeak[MemoryKind.Optimizer];
        Assert.That(Peak(OptimizerKind.Sgd, 0), Is.Zero);
        Assert.That(2 * Peak(OptimizerKind.Sgd, 0.9f), Is.EqualTo(Peak(OptimizerKind.AdamW, 0)));
    }

    [Test]
    public void The_plan_of_any_optimizer_is_what_a_step_takes([Values] OptimizerKind kind)
    {
        bool isPaged = kind is OptimizerKind.PagedAdamW or OptimizerKind.PagedAdamW8Bit or OptimizerKind.PagedLion;
        // The MLP's weights have 4,096 elements, so that their moments may have 8 bits.
        bool isOfLora = kind is OptimizerKind.LoraPlus or OptimizerKind.LoraFa;
        ITrainable Build(Backend backend) => isOfLora ? Adapter("llama", backend, 4, false) : new FullModel(Runs.Model("gpt2", backend));
        var options = new TrainerOptions { Optimizer = kind, Momentum = 0.9f };
        var plan = MemoryPlan.Of(Build, 2, 16, options);
        using var cpu = new CpuBackend(1) { CopiesAsCard = isPaged };
        var trainable = Build(cpu);
        using var optimizer = options.NewOptimizer(trainable);
        var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, options.MaxGradNorm));
        long standing = cpu.Memory.CurrentBytes;
        cpu.Memory.ResetPeak();
        step.Run([MemoryPlan.FullBatch(trainable.Model, 2, 16)], 1e-3);
        long state = trainable.Parameters.Sum(p => StateBytes(kind, p.Parameter.Shape))
            + (kind == OptimizerKind.AdamW8Bit ? 2 * Arena.Round(4 * 256) : 0)
            + (kind == OptimizerKind.LoraFa ? trainable.Parameters.Count * Arena.Round(4 * 4 * 4) : 0); // Projections (r, r).
        long host = cpu.HostMemory?.PeakBytes ?? 0;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes));
            Assert.That(plan.StandingBytes, Is.EqualTo(standing));
            Assert.That(plan.AtPeak[MemoryKind.Optimizer], Is.EqualTo(cpu.Memory.AtPeak(MemoryKind.Optimizer)));
            Assert.That(plan.HostBytes, Is.EqualTo(host));
            Assert.That(isPaged ? host : plan.AtPeak[MemoryKind.Optimizer], Is.EqualTo(state));
            Assert.That(trainable.Parameters.Max(p => p.Parameter.Shape.Count), isOfLora ? Is.Positive : Is.EqualTo(4096));
        }
    }

    private static long StateBytes(OptimizerKind kind, Shape shape) => kind switch
    {
        OptimizerKind.AdamW or OptimizerKind.PagedAdamW or OptimizerKind.LoraPlus or OptimizerKind.LoraFa =>
            2 * Arena.Round(4 * shape.Count),
        OptimizerKind.AdamW8Bit or OptimizerKind.PagedAdamW8Bit when shape.Count < 4096 => 2 * Arena.Round(4 * shape.Count),
        OptimizerKind.AdamW8Bit or OptimizerKind.PagedAdamW8Bit =>
            2 * (Arena.Round(shape.Count) + Arena.Round((shape.Count + 255) / 256 * 4)),
        OptimizerKind.Adafactor when shape.Rank == 2 => Arena.Round(4 * shape[0]) + Arena.Round(4 * shape[1]),
        _ => Arena.Round(4 * shape.Count),
    };

    private static ITrainable Adapter(string family, Backend backend, int rank, bool checkpointing) =>
        new TrainableAdapter(Adapted(family, backend, rank, checkpointing));

    private static PeftModel Adapted(string family, Backend backend, int rank, bool checkpointing)
    {
        var model = new PeftModel(Runs.Model(family, backend));
        model.AddAdapter(new LoraConfig { Rank = rank, Dropout = 0.1, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) });
        model.Base.GradientCheckpointing = checkpointing;
        return model;
    }

    private static long Trainable(int rank)
    {
        using var backend = new CpuBackend(1);
        return Adapter("llama", backend, rank, false).Parameters.Sum(p => p.Parameter.Shape.Count);
    }
}
