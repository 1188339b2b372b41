using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Tests.Peft;

/// <summary>Properties of every method with all settings: merging, files and memory.</summary>
[TestFixtureSource(typeof(MethodCases), nameof(MethodCases.OnAllFamilies))]
public sealed class PeftStorageTests(MethodCase method, Family family)
{
    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load() => _bench = new Bench(family);

    [TearDown]
    public void Free() => _bench.Dispose();

    [Test]
    public void Merged_unmerged_and_unloaded_it_computes_the_same()
    {
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        float[] adapted = _bench.Logits();
        if (!method.Merges(family))
        {
            Assert.That(() => Model.Merge(), Throws.TypeOf<BadInputException>().With.Message.Contains("cannot be merged"));
            Assert.That(_bench.Logits(), Is.EqualTo(adapted));
            return;
        }
        Model.Merge();
        float[] merged = _bench.Logits();
        Assert.That(Fixtures.Error(merged, adapted), Is.LessThan(1e-5), "merged");
        long bytes = _bench.Backend.Memory.CurrentBytes;
        Model.Merge();
        Assert.That(_bench.Logits(), Is.EqualTo(merged), "merged twice");
        Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(bytes), "merged twice");
        Model.Unmerge();
        Assert.That(_bench.Logits(), Is.EqualTo(adapted), "unmerged");
        Model.MergeAndUnload();
        Assert.That(Fixtures.Error(_bench.Logits(), adapted), Is.LessThan(1e-5), "merged and unloaded");
        Assert.That(Model.AdapterNames, Is.Empty);
    }

    [Test]
    public void Merged_for_good_it_takes_memory_for_one_weight_at_a_time_and_leaves_none()
    {
        if (!method.Merges(family))
        {
            return;
        }
        bool tied = _bench.Base.IsTied;
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        long largest = _bench.Base.NamedParameters().Max(p => p.Parameter.Shape.Count) * sizeof(float);
        _bench.Backend.Memory.ResetPeak();
        long before = _bench.Backend.Memory.CurrentBytes;
        long own = Model.Parameters.Max(p => p.Parameter.Shape.Count) * sizeof(float);
        Model.MergeAndUnload();
        Assert.That(_bench.Backend.Memory.PeakBytes - before, Is.LessThan(4 * largest + 16 * own));
        long untied = tied && !_bench.Base.IsTied
            ? Arena.Round(_bench.Base.OutputLayer!.Weight.Value.ByteCount) : 0;
        Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(_bench.StartingBytes + untied));
        Assert.That(_bench.Base.NamedParameters().Select(p => p.Parameter.Value.Storage.Kind), Is.All.EqualTo(MemoryKind.Frozen));
    }

    [Test]
    public void Merged_while_disabled_it_is_the_same_once_enabled()
    {
        if (!method.Merges(family))
        {
            return;
        }
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        float[] adapted = _bench.Logits();
        Model.Disable();
        Model.Merge();
        Model.Enable();
        Assert.That(Fixtures.Error(_bench.Logits(), adapted), Is.LessThan(1e-5));
    }

    [Test]
    public void Two_adapters_merged_compute_what_they_compute_together()
    {
        if (!method.Merges(family))
        {
            return;
        }
        Model.AddAdapter(method.Config(family), "one", seed: 1);
        _bench.Perturb(1);
        Model.AddAdapter(method.Config(family), "two", seed: 2);
        _bench.Perturb(2);
        if (Model.Get("one").Swaps.Count > 0)
        {
            Assert.That(() => Model.SetActive("one", "two"), Throws.TypeOf<BadInputException>());
            return;
        }
        Model.SetActive("one", "two");
        float[] together = _bench.Logits();
        Model.Merge();
        Assert.That(Fixtures.Error(_bench.Logits(), together), Is.LessThan(2e-5));
        Model.Delete("one");
        Model.SetActive("two");
        float[] two = _bench.Logits();
        Model.Merge();
        Assert.That(Fixtures.Error(_bench.Logits(), two), Is.LessThan(1e-5));
    }

    [Test]
    public void Saved_and_loaded_under_another_seed_and_name_it_computes_the_same()
    {
        using var directory = new TemporaryDirectory();
        Model.AddAdapter(method.Config(family), seed: 11);
        _bench.Perturb();
        float[] adapted = _bench.Logits();
        Model.Save(directory.FullPath);
        Assert.That(Directory.EnumerateFileSystemEntries(directory.FullPath).Select(Path.GetFileName),
            Is.EquivalentTo(["adapter_config.json", "adapter_model.safetensors"]));
        Model.Load(directory.FullPath, "again");
        AssertRestored(_bench.Logits(), adapted);
        Assert.That(Model.Parameters.Select(p => p.Parameter.RequiresGrad), Is.All.False);
        // Saving again gives the same file, even if the adapter is inactive or merged.
        Model.SetActive(PeftModel.DefaultAdapter);
        if (method.Merges(family))
        {
            Model.Merge();
        }
        Model.Save(directory.FullPath);
        foreach (string file in method.SavesExactly ? new[] { "adapter_config.json", "adapter_model.safetensors" }
            : ["adapter_config.json"])
        {
            Assert.That(File.ReadAllBytes(directory["again", file]), Is.EqualTo(File.ReadAllBytes(directory[file])), file);
        }
    }

    private void AssertRestored(float[] ours, float[] reference) =>
        Assert.That(Fixtures.Error(ours, reference), method.SavesExactly ? Is.Zero : Is.LessThan(1e-5));

    [Test]
    public void Unloading_restores_the_base_to_the_bit_and_frees_everything()
    {
        var before = _bench.BaseBytes();
        bool tied = _bench.Base.IsTied;
        Model.AddAdapter(method.Config(family), "one");
        _bench.Perturb();
        _bench.Step();
        Model.AddAdapter(method.Config(family), "two");
        _bench.Perturb();
        _bench.Logits();
        if (method.Merges(family))
        {
            Model.Merge();
        }
        Model.Delete("one");
        Model.Unload();
        Bench.AssertSame(_bench.BaseBytes(), before);
        Assert.That(_bench.Base.IsTied, Is.EqualTo(tied));
        Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(_bench.StartingBytes));
        Assert.That(_bench.Base.NamedModules().Select(m => m.Module).OfType<Layer>().Where(layer => layer.Hook is not null), Is.Empty);
    }

    [TestCase(DType.BF16, 5e-2)]
    [TestCase(DType.F16, 5e-3)]
    public void A_half_precision_base_works(DType dtype, double tolerance)
    {
        using var half = new Bench(family, dtype);
        half.Model.AddAdapter(method.Config(family));
        half.Perturb();
        Assert.That(float.IsFinite(half.Step()));
        Assert.That(half.Gradients().Values, Has.None.Empty);
        float[] adapted = half.Logits();
        using var directory = new TemporaryDirectory();
        half.Model.Save(directory.FullPath);
        half.Model.Load(directory.FullPath, "again");
        AssertRestored(half.Logits(), adapted);
        if (method.Merges(family))
        {
            half.Model.MergeAndUnload();
            Assert.That(Fixtures.Error(half.Logits(), adapted), Is.LessThan(tolerance));
            Assert.That(half.Base.NamedParameters().Select(p => p.Parameter.Value.DType), Is.All.EqualTo(dtype));
        }
    }

    [Test]
    public void A_safe_merge_refuses_values_that_are_not_finite_and_leaves_everything_as_it_was(
        [Values(float.NaN, float.PositiveInfinity)] float bad)
    {
        if (!method.Merges(family))
        {
            return;
        }
        Model.AddAdapter(method.Config(family), "good");
        _bench.Perturb();
        float[] good = _bench.Logits();
        long bytes = _bench.Backend.Memory.CurrentBytes;
        foreach (var (_, parameter) in Model.Parameters)
        {
            float[] values = parameter.Value.ToArray<float>();
            Bench.Set(parameter, [bad, .. values[1..]]);
            Assert.That(() => Model.Merge(), Throws.TypeOf<BadInputException>().With.Message.Contains("NaN or infinity"));
            Assert.That(() => Model.MergeAndUnload(), Throws.TypeOf<BadInputException>().With.Message.Contains("NaN or infinity"));
            Bench.Set(parameter, values);
        }
        Assert.That(Model.MergedAdapters, Is.Empty);
        Assert.That(_bench.Logits(), Is.EqualTo(good));
        Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(bytes));
    }

    [Test]
    public void A_merged_model_survives_its_directory()
    {
        if (!method.Merges(family))
        {
            return;
        }
        using var directory = new TemporaryDirectory();
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        Model.MergeAndUnload();
        ModelWriter.Save(_bench.Base, directory.FullPath, family.Directory);
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var loaded = ModelLoader.Load(directory.FullPath, backend);
        Bench.AssertSame(Bench.BytesOf(loaded), _bench.BaseBytes());
        loaded.Dispose();
    }
}
