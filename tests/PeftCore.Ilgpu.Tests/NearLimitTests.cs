using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Runs within limits at which a plan says that a run just fits: free blocks then decide, so that a run must allocate and free in
/// the order of its plan, in the second and third step as well.</summary>
public abstract class NearLimitTests(string device)
{
    private const string Config = """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32, "num_attention_heads": 2,
         "num_key_value_heads": 1, "num_hidden_layers": 3, "intermediate_size": 88, "vocab_size": 40, "max_position_embeddings": 512}
        """;

    [TestCase("none", DType.F32, 80 << 10)]
    [TestCase("recompute", DType.BF16, 16 << 10)]
    [TestCase("offload", DType.BF16, 16 << 10)]
    public void A_run_reserves_what_is_planned_within_a_tight_limit(string checkpointing, DType dtype, int chunk)
    {
        const int BatchSize = 3, Length = 12, Parts = 8;
        var options = new TrainerOptions();
        long? host = checkpointing == "offload" ? 1L << 30 : null;
        var free = Plan(long.MaxValue);
        // The tightest limit, of a few between the peak and what a run without a limit reserves, that the plan finds enough.
        var (limit, plan) = Enumerable.Range(0, Parts).Select(part => free.PeakBytes + part * (free.ReservedBytes - free.PeakBytes) / Parts)
            .Select(bytes => (Limit: bytes, Plan: Plan(bytes))).First(tried => tried.Plan.ReservedBytes <= tried.Limit);
        Assert.That(limit, Is.LessThan(free.ReservedBytes));
        Assert.That(Reserved(limit, plan), Is.EqualTo(plan.ReservedBytes), $"of {limit}, peak {plan.PeakBytes}");

        MemoryPlan Plan(long limit) => MemoryPlan.Of(Build, BatchSize, Length, options, dtype, memoryLimit: limit, chunkBytes: chunk,
            tensorCores: device == "cuda", hostLimit: host);

        long Reserved(long limit, MemoryPlan plan)
        {
            using var scope = new TensorScope();
            long margin = SharedDevices.Open(device, dtype).LimitMargin;
            using var backend = IlgpuDevices.Open(device, new IlgpuOptions(dtype, MemoryLimit: limit + margin) { ChunkBytes = chunk });
            plan.ApplyTo(backend);
            var model = Build(backend);
            using (var step = new AdapterStep(model, options))
            {
                for (int i = 0; i < 3; i++)
                {
                    step.Run([MemoryPlan.FullBatch(model.Base, BatchSize, Length)], 1e-3);
                }
            }
            model.Unload();
            model.Base.Dispose();
            return backend.PeakReservedBytes;
        }

        PeftModel Build(Backends.Backend on)
        {
            var model = ModelLoader.Declare(ConfigReader.Parse(Config, "config.json"));
            ModelLoader.Initialize(model, on, dtype, seed: 3);
            model.GradientCheckpointing = checkpointing != "none";
            model.OffloadCheckpoints = checkpointing == "offload";
            var peft = new PeftModel(model);
            peft.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) });
            return peft;
        }
    }
}

[TestFixture]
public sealed class IlgpuCpuNearLimitTests() : NearLimitTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaNearLimitTests() : NearLimitTests("cuda");
