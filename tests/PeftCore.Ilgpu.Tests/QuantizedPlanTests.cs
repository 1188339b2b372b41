using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The memory plan of a step on a quantised base: weights in their format, and the workspace of products.</summary>
public abstract class QuantizedPlanTests(string device)
{
    private const string Config = """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_attention_heads": 2,
         "num_key_value_heads": 1, "num_hidden_layers": 1, "intermediate_size": 192, "vocab_size": 40, "max_position_embeddings": 512}
        """;

    private static readonly QuantizedFormat[] Formats =
    [
        new(QuantizedKind.NF4), new(QuantizedKind.NF4, DoubleQuantized: true), new(QuantizedKind.FP4),
        new(QuantizedKind.Int8, BlockSize: 0), new(QuantizedKind.Int8, BlockSize: 0, Threshold: 6),
    ];

    // 3 rows stream on a card with tensor cores; 66 are too many.
    [Test]
    public void A_step_takes_what_is_planned([ValueSource(nameof(Formats))] object given, [Values(3, 66)] int length)
    {
        var format = (QuantizedFormat)given;
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 1, length, options, DType.BF16, tensorCores: device == "cuda");
        var backend = SharedDevices.Open(device, DType.BF16);
        Run(); // The device's own buffers, which a plan does not count, are allocated at its first product.
        Assert.That(plan.PeakBytes, Is.EqualTo(Run()).Within(1).Percent);

        long Run()
        {
            using var scope = new TensorScope();
            long before = backend.Memory.CurrentBytes;
            var model = Build(backend);
            backend.Memory.ResetPeak();
            using (var step = new AdapterStep(model, options))
            {
                step.Run([MemoryPlan.FullBatch(model.Base, 1, length)], 1e-3);
            }
            model.Unload();
            model.Base.Dispose();
            return backend.Memory.PeakBytes - before;
        }

        PeftModel Build(Backends.Backend on)
        {
            var model = ModelLoader.Declare(ConfigReader.Parse(Config, "config.json"));
            ModelLoader.Initialize(model, on, DType.BF16, seed: 3);
            foreach (var (path, module) in model.NamedModules().Where(m => m.Path.Contains(".layers.", StringComparison.Ordinal)).ToList())
            {
                if (module is Linear linear)
                {
                    linear.Quantize(linear.Weight.Value, format, path);
                }
            }
            var peft = new PeftModel(model);
            peft.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) });
            return peft;
        }
    }
}

[TestFixture]
public sealed class IlgpuCpuQuantizedPlanTests() : QuantizedPlanTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaQuantizedPlanTests() : QuantizedPlanTests("cuda");
