using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The optimizers that tell LoRA's factors apart, on a GPU: the steps of the CPU, and the memory that is planned.</summary>
public abstract class LoraOptimizerTests(string device)
{
    private const int Steps = 3;

    private const string Config = """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_attention_heads": 2,
         "num_key_value_heads": 1, "num_hidden_layers": 1, "intermediate_size": 192, "vocab_size": 40, "max_position_embeddings": 512}
        """;

    [TestCase(OptimizerKind.LoraPlus)]
    [TestCase(OptimizerKind.LoraFa)]
    public void A_run_has_the_weights_of_the_CPU_and_the_planned_memory(OptimizerKind kind)
    {
        using var cpu = new CpuBackend(1);
        var backend = SharedDevices.Open(device, DType.F32);
        var (expected, _) = Run(cpu, kind);
        var (actual, peak) = Run(backend, kind);
        var plan = MemoryPlan.Of(Build, 1, 4, new TrainerOptions { Optimizer = kind }, tensorCores: device == "cuda");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(actual, Is.EqualTo(expected).Within(1e-4));
            Assert.That(plan.PeakBytes, Is.EqualTo(peak).Within(1).Percent);
        }
    }

    [TestCase(OptimizerKind.LoraPlus)]
    [TestCase(OptimizerKind.LoraFa)]
    public void A_run_has_the_same_bits_each_time(OptimizerKind kind)
    {
        var backend = SharedDevices.Open(device, DType.F32);
        float[] once = Run(backend, kind).Weights, again = Run(backend, kind).Weights;
        Assert.That(again, Is.EqualTo(once));
    }

    private static (float[] Weights, long Peak) Run(Backend backend, OptimizerKind kind)
    {
        using var scope = new TensorScope();
        long before = backend.Memory.CurrentBytes;
        backend.Memory.ResetPeak();
        var model = Build(backend);
        using (var step = new AdapterStep(model, new TrainerOptions { Optimizer = kind, WeightDecay = 0.1f, LoraPlusRates = (4, 1e-4) }))
        {
            for (int i = 0; i < Steps; i++)
            {
                step.Run([MemoryPlan.FullBatch(model.Base, 1, 4, (ulong)i)], 1e-3, i, (ulong)i);
            }
        }
        long peak = backend.Memory.PeakBytes - before;
        float[] weights = [.. model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>())];
        model.Unload();
        model.Base.Dispose();
        return (weights, peak);
    }

    private static PeftModel Build(Backend on)
    {
        var model = ModelLoader.Declare(ConfigReader.Parse(Config, "config.json"));
        ModelLoader.Initialize(model, on, DType.F32, seed: 3);
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig
        {
            Rank = 16, RankPattern = [new("down_proj", 8)], TargetModules = ModuleSelector.Parse("q_proj,down_proj"),
        });
        return peft;
    }
}

[TestFixture]
public sealed class IlgpuCpuLoraOptimizerTests() : LoraOptimizerTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaLoraOptimizerTests() : LoraOptimizerTests("cuda");
