using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Models;

public sealed class LargeHeadTests
{
    private const string Head = "base_model.model.lm_head.modules_to_save.default.weight";

    /// <summary>With 151936 × 4096, the head, its gradient and its momentum are F32 tensors of 2.49 GB each: more than 2³¹ bytes.</summary>
    [TestCase(1000, 32)]
    [TestCase(151936, 4096, Explicit = true, Reason = "takes 11 GB of memory and 15 GB of disk")]
    public void A_trained_head_is_saved_resumed_converted_and_merged(int vocabulary, int hidden)
    {
        using var files = new SparseModel(SparseModel.Config("qwen3", vocabulary, hidden), written: 128 * hidden);
        using var directory = new TemporaryDirectory();
        string run = directory["run"];
        float[] first = Train(files, run, steps: 1, from: null);
        float[] second = Train(files, directory["resumed"], steps: 2, from: Path.Combine(run, "checkpoint-1"));
        Assert.That(second, Is.Not.EqualTo(first), "the second step changed the head");

        SavedAdapter.Load(directory["resumed"]).Save(directory["converted"]);
        using (var cpu = new CpuBackend())
        {
            var peft = PeftModel.Load(files.FullPath, directory["converted"], cpu);
            Assert.That(Rows(peft.Parameters.Single(p => p.Name == Head).Parameter.Value), Is.EqualTo(second), "converted");
            ModelWriter.Save(peft.MergeAndUnload(), directory["merged"], files.FullPath);
            peft.Base.Dispose();
        }
        using var device = new CpuBackend();
        using var merged = ModelLoader.Load(directory["merged"], device);
        Assert.That(Rows(merged.OutputLayer!.Weight.Value), Is.EqualTo(Array.ConvertAll(second, Rounded)), "merged");
    }

    /// <summary>Trains the head, and returns its first and last rows.</summary>
    private static float[] Train(SparseModel files, string output, int steps, string? from)
    {
        using var cpu = new CpuBackend();
        using var scope = new TensorScope();
        var peft = new PeftModel(ModelLoader.Load(files.FullPath, cpu));
        peft.AddAdapter(new LoraConfig { Rank = 1, TargetModules = ModuleSelector.Parse("q_proj"), ModulesToSave = ["lm_head"] });
        var options = new TrainerOptions
        {
            OutputDirectory = output, ResumeFrom = from, MaxSteps = steps, SaveSteps = 1, Optimizer = OptimizerKind.Sgd, Momentum = 0.9f,
            LearningRate = 0.5,
        };
        new Trainer(peft, options, Runs.Loader(4, 1, 2)).Run();
        float[] rows = Rows(peft.Parameters.Single(p => p.Name == Head).Parameter.Value);
        peft.Unload().Dispose();
        return rows;
    }

    private static float[] Rows(Tensor table)
    {
        int columns = table.Shape.Columns;
        using Tensor first = table.Unscoped([64, columns], 0), last = table.Unscoped([2, columns], (table.Shape[0] - 2L) * columns);
        return [.. first.ToFloats(), .. last.ToFloats()];
    }

    private static float Rounded(float value) => TorchRandom.RoundToBFloat16(value);
}
