using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>What the trace of a step of LoRA on a small Llama contains.</summary>
public sealed class StepTraceDetailTests
{
    private static PeftModel Build(Backend backend, bool checkpointing = false, string[]? saved = null)
    {
        var model = new PeftModel(Runs.Model("llama", backend));
        model.AddAdapter(new LoraConfig
        {
            Rank = 2,
            Init = LoraInit.Gaussian,
            TargetModules = ModuleSelector.Of("q_proj", "k_proj", "v_proj"),
            ModulesToSave = saved ?? [],
        });
        model.Base.GradientCheckpointing = checkpointing;
        return model;
    }

    private static StepTrace Plan(bool checkpointing = false, TrainerOptions? options = null, string[]? saved = null) =>
        MemoryPlan.Of(backend => Build(backend, checkpointing, saved), 2, 8, options).Trace!;

    [Test]
    public void A_reason_names_the_gradient_and_the_layers_that_share_the_value()
    {
        var ops = Plan().Ops;
        var first = ops.First(op => op.Module == "layers.0.self_attn.q_proj+k_proj+v_proj");
        var second = ops.First(op => op.Module == "layers.1.self_attn.q_proj+k_proj+v_proj");
        using (Assert.EnterMultipleScope())
        {
            // Below the first layer nothing is recorded, so nothing could recompute its x.
            Assert.That(first.Saved.Single(saved => saved.Name == "x").Reason,
                Is.EqualTo("needed for dA = hᵀ·x; shared by q_proj, k_proj and v_proj"));
            Assert.That(first.Recomputed, Is.Empty);
            Assert.That(second.Saved.Select(saved => (saved.Name, saved.Reason)), Is.EqualTo(
                new[] { "xA0", "xA1", "xA2" }.Select(name => (name, "needed for dB = dyᵀ·xA"))));
            Assert.That(second.Recomputed.Single().Reason, Is.EqualTo("needed for dA = hᵀ·x; shared by q_proj, k_proj and v_proj; " +
                "recomputed from what op 13 (rms_norm in layers.1.input_layernorm) saves"));
            Assert.That(second.Recomputed.Single().Bytes, Is.EqualTo(2 * 8 * 32 * 4));
        }
    }

    [Test]
    public void The_stops_say_what_is_frozen_below()
    {
        var trace = Plan();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trace.Ops.Where(op => op.NotRecorded is not null).Select(op => (op.Number, op.NotRecorded)),
                Is.EqualTo(new[] { (0, TraceReasons.NoGradient), (1, TraceReasons.NoGradient) }));
            Assert.That(trace.Stops, Is.EqualTo(new[]
            {
                (2, "input 0 comes from op 1 (rms_norm in layers.0.input_layernorm) and needs no gradient: " +
                    "model.layers.0.input_layernorm.weight and model.embed_tokens.weight below it are frozen"),
                (7, "input 0 comes from op 0 (rows in embed_tokens) and needs no gradient: model.embed_tokens.weight below it is frozen"),
            }));
        }
    }

    [Test]
    public void A_checkpointed_block_saves_its_input_and_its_ops_run_again()
    {
        var trace = Plan(checkpointing: true, new TrainerOptions { GradientAccumulationSteps = 2 });
        var forward = trace.Ops.Where(op => op.MicroBatch == 1 && op.RunAgainBy is null).ToList();
        var blocks = forward.Where(op => op.Name == "recompute").ToList();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(blocks.Select(op => op.Saved.Single().Name), Is.EqualTo(new[] { "input", "input" }));
            Assert.That(forward.Where(op => op.NotRecorded == TraceReasons.RunsAgain).Select(op => $"{op.Name} in {op.Module}"),
                Is.EquivalentTo(trace.Ops.Where(op => op.MicroBatch == 1 && op.RunAgainBy is not null && op.NotRecorded is null)
                    .Select(op => $"{op.Name} in {op.Module}")));
            Assert.That(trace.Ops.Where(op => op is { MicroBatch: 1, RunAgainBy: not null }).Select(op => op.RunAgainBy!.Value).Distinct(),
                Is.EqualTo(blocks.Select(op => op.Number).Reverse()));
            Assert.That(trace.Timeline.Where(interval => interval.Op is null).Select(interval => (interval.Phase, interval.MicroBatch)),
                Is.EqualTo(new[] { ("start", 0), ("forward", 0), ("backward", 0), ("forward", 1), ("backward", 1), ("update", 1) }));
        }
    }

    [Test]
    public void A_real_step_shows_its_saved_tensors_and_is_the_step_that_runs_without_a_trace()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var model = Build(backend);
        using var step = new AdapterStep(model, new TrainerOptions());
        var batch = MemoryPlan.FullBatch(model.Base, 2, 8);
        var seen = new Dictionary<(int, string), float[]>();
        float[] a = model.Parameters.First(p =>
            p.Name.EndsWith("layers.0.self_attn.q_proj.lora_A.default.weight")).Parameter.Value.ToFloats();

        var trace = step.Trace([batch], 1e-3, saved: (op, saved, tensor) =>
        {
            Assert.That(tensor.Shape, Is.EqualTo(saved.Shape));
            if (tensor.DType == DType.F32)
            {
                tensor.TrackGradient().Reshape([(int)tensor.Count]); // An op of the observer is no part of the step.
                seen.Add((op.Number, saved.Name), tensor.ToFloats());
            }
        });

        float[] x = seen[(2, "x")], xA = seen[(2, "xA0")];
        double scale = 8.0 / 2; // The default alpha over the rank.
        using (Assert.EnterMultipleScope())
        {
            Assert.That(xA, Is.EqualTo(Enumerable.Range(0, 16 * 2).Select(i => (float)(scale * Enumerable.Range(0, 32)
                .Sum(c => (double)x[i / 2 * 32 + c] * a[i % 2 * 32 + c])))).Within(1e-5));
            Assert.That(seen, Has.Count.EqualTo(trace.Ops.Sum(op => op.Saved.Count(saved => saved.DType == DType.F32))));
            using var other = new CpuBackend(1);
            var twin = Build(other);
            using var plain = new AdapterStep(twin, new TrainerOptions());
            var run = plain.Run([batch], 1e-3);
            Assert.That((trace.Result.Loss, trace.Result.GradientNorm), Is.EqualTo((run.Loss, run.GradientNorm)));
        }
    }

    [Test]
    public void A_module_that_trains_whole_is_listed_as_a_copy_beside_the_frozen_one()
    {
        var head = Plan(saved: ["lm_head"]).Parameters.Where(row => row.Module == "lm_head").ToList();

        Assert.That(head.Select(row => (row.Name, row.Status, row.Bytes)),
            Is.EqualTo(new[] { ("weight", "trains a copy", 97 * 32 * 4 + 128L), ("weight", "replaced", 97 * 32 * 4 + 128L) }));
    }

    [Test]
    public void The_listed_parameters_are_those_in_memory()
    {
        var trace = Plan();
        var start = trace.Timeline[0].After;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trace.Parameters.Where(row => row.Status == "trains").Sum(row => row.Bytes),
                Is.EqualTo(start[MemoryKind.Trainable]));
            Assert.That(trace.Parameters.Where(row => row.Status == "frozen").Sum(row => row.Bytes),
                Is.EqualTo(start[MemoryKind.Frozen]));
        }
    }
}
