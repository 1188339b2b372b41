using PeftCore.Backends;

namespace PeftCore.Tests.Training;

/// <summary>A pass uploads nothing, whatever a family reads of its inputs, so that it can be captured; and what a graph reads is that of
/// its own batch.</summary>
public sealed class CapturedFamiliesTests
{
    public static IEnumerable<string> Families => CapturedFamilies.Names;

    [Test]
    public void A_captured_pass_of_a_family_gives_the_same_bits([ValueSource(nameof(Families))] string family)
    {
        using var cpu = new CpuBackend(1);
        var (values, launches) = CapturedFamilies.Train(cpu, family, capture: true);
        var (expected, none) = CapturedFamilies.Train(cpu, family, capture: false);
        Assert.That(values, Is.EqualTo(expected));
        Assert.That((launches, none), Is.EqualTo((4, 0)));
    }

    [Test]
    public void So_does_one_over_packed_rows([Values("mistral", "opt", "ministral3", "qwen3_5_text")] string family)
    {
        using var cpu = new CpuBackend(1);
        var (values, launches) = CapturedFamilies.Train(cpu, family, capture: true, packed: true);
        var (expected, none) = CapturedFamilies.Train(cpu, family, capture: false, packed: true);
        Assert.That(values, Is.EqualTo(expected));
        Assert.That((launches, none), Is.EqualTo((4, 0)));
    }
}
