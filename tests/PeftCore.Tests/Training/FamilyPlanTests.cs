using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>The memory plan of every family that has a reference model among the fixtures.</summary>
public sealed class FamilyPlanTests
{
    private static IEnumerable<string> Models() => Directory.EnumerateDirectories(TestFiles.Fixture("hf")).Order(StringComparer.Ordinal)
        .Where(directory => File.Exists(Path.Combine(directory, "base", "config.json"))
            && ModelFamilies.Find(FixtureFamily.Of(Path.Combine(directory, "base", "config.json"))) is not null)
        .Select(directory => Path.GetFileName(directory)!);

    // Hidden states have no loss.
    private static IEnumerable<string> Trained() => Models().Where(name => name != "bert_features");

    [Test]
    public void Loading_takes_what_is_planned([ValueSource(nameof(Models))] string name, [Values("as stored", "BF16")] string dtype)
    {
        using var meta = new MetaBackend();
        using var cpu = new CpuBackend(1);
        foreach (var backend in (Backend[])[meta, cpu])
        {
            ModelLoader.Load(TestFiles.Fixture("hf", name, "base"), backend, dtype == "BF16" ? DType.BF16 : null).Dispose();
        }
        Assert.That((meta.Memory.PeakBytes, meta.PeakReservedBytes), Is.EqualTo((cpu.Memory.PeakBytes, cpu.PeakReservedBytes)));
    }

    [Test]
    public void A_run_takes_what_is_planned([ValueSource(nameof(Trained))] string name, [Values("as stored", "BF16")] string dtype)
    {
        ITrainable Build(Backend backend)
        {
            var peft = new PeftModel(ModelLoader.Load(TestFiles.Fixture("hf", name, "base"), backend, dtype == "BF16" ? DType.BF16 : null));
            peft.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) });
            return new TrainableAdapter(peft);
        }
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 2, 16, options);
        using var cpu = new CpuBackend(1);
        using var tensors = new TensorScope();
        var trainable = Build(cpu);
        using var optimizer = options.NewOptimizer(trainable);
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer, options.MaxGradNorm))
            .Run([MemoryPlan.FullBatch(trainable.Model, 2, 16)], 1e-3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes).Within(1).Percent);
            Assert.That(plan.ReservedBytes, Is.EqualTo(cpu.PeakReservedBytes).Within(1).Percent);
        }
    }
}
