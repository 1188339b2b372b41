using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Optimizers whose state is in host memory, on a GPU: the bits of the others, and the memory and the copies that are
/// planned.</summary>
public abstract class PagedOptimizerTests(string device)
{
    private const string Config = """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_attention_heads": 2,
         "num_key_value_heads": 1, "num_hidden_layers": 1, "intermediate_size": 192, "vocab_size": 40, "max_position_embeddings": 512}
        """;

    [TestCase(OptimizerKind.AdamW, OptimizerKind.PagedAdamW)]
    [TestCase(OptimizerKind.AdamW8Bit, OptimizerKind.PagedAdamW8Bit)]
    [TestCase(OptimizerKind.Lion, OptimizerKind.PagedLion)]
    public void A_paged_run_has_the_bits_of_the_other_and_the_planned_memory(OptimizerKind resident, OptimizerKind paged)
    {
        var backend = SharedDevices.Open(device, DType.F32);
        var (expected, _) = Run(backend, resident);
        var (actual, measured) = Run(backend, paged);
        Assert.That(actual, Is.EqualTo(expected));
        var plan = MemoryPlan.Of(Build, 1, 4, new TrainerOptions { Optimizer = paged }, tensorCores: device == "cuda");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.HostBytes, Is.EqualTo(measured.Host));
            Assert.That(plan.StreamedBytes, Is.EqualTo(measured.Streamed).And.GreaterThan(0));
            Assert.That(plan.PeakBytes, Is.EqualTo(measured.Peak).Within(1).Percent);
        }
    }

    private static (float[] Weights, (long Host, long Streamed, long Peak) Measured) Run(Backend backend, OptimizerKind kind)
    {
        using var scope = new TensorScope();
        long before = backend.Memory.CurrentBytes, host = backend.HostMemory!.CurrentBytes, streamed = 0;
        backend.Memory.ResetPeak();
        var model = Build(backend);
        long hostBytes;
        using (var step = new AdapterStep(model, new TrainerOptions { Optimizer = kind }))
        {
            hostBytes = backend.HostMemory.CurrentBytes - host;
            for (int i = 0; i < 2; i++)
            {
                long uploaded = backend.UploadedBytes;
                step.Run([MemoryPlan.FullBatch(model.Base, 1, 4, (ulong)i)], 1e-2, i, (ulong)i);
                streamed = backend.UploadedBytes - uploaded;
            }
        }
        long peak = backend.Memory.PeakBytes - before;
        float[] weights = [.. model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>())];
        model.Unload();
        model.Base.Dispose();
        return (weights, (hostBytes, streamed, peak));
    }

    private static PeftModel Build(Backend on)
    {
        var model = ModelLoader.Declare(ConfigReader.Parse(Config, "config.json"));
        ModelLoader.Initialize(model, on, DType.F32, seed: 3);
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { Rank = 32, TargetModules = ModuleSelector.Parse("q_proj,down_proj") });
        return peft;
    }
}

[TestFixture]
public sealed class IlgpuCpuPagedOptimizerTests() : PagedOptimizerTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaPagedOptimizerTests() : PagedOptimizerTests("cuda");
