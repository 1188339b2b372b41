namespace PeftCore.Tests.Peft;

/// <summary>The random projections that all layers share grow with the rank, which the file beside a configuration bounds.</summary>
public sealed class ProjectionLimitTests
{
    [TestCase("vera", 1_000_000)]
    [TestCase("vera", int.MaxValue)]
    [TestCase("randlora", 1_000_000)]
    [TestCase("randlora", int.MaxValue)]
    public void A_rank_beyond_the_file_is_refused_before_projections_are_drawn(string adapter, int rank)
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", adapter).With("r", $"{rank}");
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("more than the weight file beside it holds"));

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 << 20));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }
}
