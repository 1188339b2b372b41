using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

public sealed class GarbageTests
{
    /// <summary>Bytes a step may leave to the garbage collector for each linear layer with LoRA on it. Handles, nodes and their lists; never numbers.</summary>
    private const long PerLayer = 8_000;

    [Test]
    public void A_step_leaves_few_bytes_to_the_garbage_collector_whatever_the_batch([Values("llama", "gpt2")] string family, [Values] bool packWeights)
    {
        using var cpu = new CpuBackend(1, packWeights: packWeights);
        using var scope = new TensorScope();
        var model = new PeftModel(Runs.Model(family, cpu));
        model.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) });
        var trainable = new TrainableAdapter(model);
        using var optimizer = new TrainerOptions().NewOptimizer(trainable);
        using var step = new TrainingStep(trainable, optimizer, 1);
        int layers = trainable.Parameters.Count / 2;
        long small = Allocated(step, MemoryPlan.FullBatch(trainable, 1, 8)), large = Allocated(step, MemoryPlan.FullBatch(trainable, 4, 32));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(small, Is.LessThan(layers * PerLayer), $"{layers} layers");
            // The host copies of a batch's ids and positions are all that grows.
            Assert.That(large - small, Is.LessThan(4_000));
        }
    }

    private static long Allocated(TrainingStep step, PeftCore.Data.Batch batch)
    {
        PeftCore.Data.Batch[] batches = [batch];
        for (int i = 0; i < 3; i++)
        {
            step.Run(batches, 1e-3, i, (ulong)i);
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        step.Run(batches, 1e-3, 3, 3);
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        TestContext.Out.WriteLine($"{bytes} bytes");
        return bytes;
    }
}
