using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Tests of every op in the catalog. New memory is filled with NaN, which reveals outputs that were not written.</summary>
public sealed class OpTests
{
    private CpuBackend _backend = null!;

    /// <summary>Convolutions pack so few patches at a time that even small ones need several pieces.</summary>
    [OneTimeSetUp]
    public void Open() => _backend = new CpuBackend(2, poison: true) { MaxPatchBytes = 1000 };

    [OneTimeTearDown]
    public void Close() => _backend.Dispose();

    [TearDown]
    public void Everything_was_released() => Assert.That(_backend.Memory.CurrentBytes, Is.Zero);

    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.Cases))]
    public void The_output_is_the_definition_and_nothing_is_recorded_for_frozen_inputs(object entry, Size size)
    {
        var (op, sample) = Make(entry, size);
        var truth = new Differences(sample);
        float[] output = OpRun.Forward(_backend, sample);
        Assert.That(truth.ErrorOf(new OpResult(output, new float[]?[sample.Inputs.Length], []), new OpRun(0)), Is.LessThan(op.Tolerance));
    }

    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.Cases))]
    public void Gradients_are_the_differences_of_the_definition_for_every_set_of_wanted_inputs(object entry, Size size)
    {
        var (op, sample) = Make(entry, size);
        var truth = new Differences(sample);
        int[] masks = [.. sample.Masks()];
        foreach (int mask in size == Size.Odd || masks.Length < 16 ? masks : masks.Where(m => m == masks[0] || int.IsPow2(m)))
        {
            Check(op, sample, truth, new OpRun(mask));
            Check(op, sample, truth, new OpRun(mask, Computed: true));
        }
    }

    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.CasesOf), new object[] { Size.Odd })]
    public void Gradients_gather_when_inputs_are_used_again(object entry)
    {
        var (op, sample) = Make(entry, Size.Odd);
        var truth = new Differences(sample);
        foreach (int mask in sample.Masks().Where(m => m == sample.Masks().First() || int.IsPow2(m)))
        {
            Check(op, sample, truth, new OpRun(mask, Twice: true));
            if (!op.Consumes)
            {
                Check(op, sample, truth, new OpRun(mask, Computed: true, Twice: true));
            }
        }
    }

    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.CasesOf), new object[] { Size.Same })]
    public void Gradients_add_up_when_one_tensor_is_several_inputs(object entry)
    {
        var (op, sample) = Make(entry, Size.Same);
        foreach (int[] roles in Roles(sample))
        {
            var truth = new Differences(sample, roles);
            int all = sample.Masks().First();
            int mask = roles.Select((role, i) => (all >> i & 1) != 0 ? 1 << role : 0).Aggregate(0, (sum, bit) => sum | bit);
            Check(op, sample, truth, new OpRun(mask, Roles: roles));
            if (!sample.Inputs.Any(input => input.IsCaptured))
            {
                Check(op, sample, truth, new OpRun(mask, Computed: true, Roles: roles));
            }
        }
    }

    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.CasesOf), new object[] { Size.Odd })]
    public void Exactly_what_the_wanted_gradients_use_is_saved(object entry)
    {
        var (op, sample) = Make(entry, Size.Odd);
        float[] upstream = new Differences(sample).Upstream;
        foreach (int mask in sample.Masks())
        {
            Assert.That(new OpRun(mask).On(_backend, sample, upstream).Saved, Is.EquivalentTo(op.SavedFor(sample, mask)),
                Wanted(sample, mask));
        }
    }

    private static (OpEntry, OpSample) Make(object entry, Size size) => ((OpEntry)entry, ((OpEntry)entry).Sample(size));

    private void Check(OpEntry op, OpSample sample, Differences truth, OpRun run) =>
        Assert.That(truth.ErrorOf(run.On(_backend, sample, truth.Upstream), run), Is.LessThan(op.Tolerance),
            $"{Wanted(sample, run.Mask)}: {run}");

    private static string Wanted(OpSample sample, int mask) =>
        "gradients of " + string.Join(", ", sample.Inputs.Where((input, i) => (mask >> i & 1) != 0).Select(input => input.Name));

    /// <summary>Each pair of inputs of one shape, and all of the first one's shape at once.</summary>
    private static IEnumerable<int[]> Roles(OpSample sample)
    {
        int count = sample.Inputs.Length;
        for (int i = 0; i < count; i++)
        {
            for (int j = i + 1; j < count; j++)
            {
                if (Alike(i, j))
                {
                    yield return [.. Enumerable.Range(0, count).Select(k => k == j ? i : k)];
                }
            }
        }
        if (Enumerable.Range(0, count).Count(i => Alike(0, i)) > 2)
        {
            yield return [.. Enumerable.Range(0, count).Select(k => Alike(0, k) ? 0 : k)];
        }

        bool Alike(int i, int j) => sample.Inputs[i].Shape == sample.Inputs[j].Shape && sample.Inputs[i].DType == DType.F32
            && sample.Inputs[j].DType == DType.F32;
    }
}
