using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Tests.Nn;

/// <summary>Rotary frequencies for longer contexts, against the definitions of the papers.</summary>
public sealed class RopeScalingTests
{
    [Test]
    public void Dynamic_positions_are_plain_up_to_the_original_length_and_have_a_larger_base_beyond()
    {
        var rope = new DynamicRope(2, 8);
        double[] plain = new DefaultRope().Frequencies(10000, 8, 1);
        Assert.That(rope.Frequencies(10000, 8, 8), Is.EqualTo(plain).Within(1e-15));
        double theta = 10000 * Math.Pow(2 * 12 / 8.0 - 1, 8 / 6.0);
        Assert.That(rope.Frequencies(10000, 8, 12), Is.EqualTo(new DefaultRope().Frequencies(theta, 8, 1)).Within(1e-15));
        Assert.That((rope.MaxLength(8), rope.LengthKey(3), rope.LengthKey(12)), Is.EqualTo((16, 8, 12)));
    }

    [Test]
    public void Yarn_keeps_fast_pairs_divides_slow_ones_and_blends_between()
    {
        var rope = new YarnRope(4, 4096, 32, 1, Truncate: true, CosineFactor: 1.2f);
        double[] plain = new DefaultRope().Frequencies(10000, 128, 1), scaled = rope.Frequencies(10000, 128, 1);
        Assert.That(scaled[..20], Is.EqualTo(plain[..20]).Within(1e-15), "these turn more than 32 times in 4096 tokens");
        Assert.That(scaled[46..], Is.EqualTo(plain[46..].Select(f => f / 4)).Within(1e-15), "these turn less than once");
        double[] kept = [.. Enumerable.Range(20, 26).Select(i => scaled[i] / plain[i])];
        Assert.That(kept, Is.Ordered.Descending);
        Assert.That(rope.AttentionFactor, Is.EqualTo(1.2f));
    }

    [Test]
    public void Long_positions_have_one_list_of_divisors_up_to_the_original_length_and_another_beyond()
    {
        var rope = new LongRope(new FloatList([1, 2]), new FloatList([4, 8]), 10, 1);
        double[] plain = new DefaultRope().Frequencies(10000, 4, 1);
        Assert.That(rope.Frequencies(10000, 4, 10), Is.EqualTo(new[] { plain[0], plain[1] / 2 }).Within(1e-15));
        Assert.That(rope.Frequencies(10000, 4, 11), Is.EqualTo(new[] { plain[0] / 4, plain[1] / 8 }).Within(1e-15));
    }

    [Test]
    public void Tables_are_made_anew_when_the_length_changes_the_frequencies()
    {
        using var backend = new CpuBackend(1);
        using var rotary = new Rotary(new RopeSpec(10000, new LongRope(new FloatList([1, 1]), new FloatList([2, 2]), 4, 1.5f), 4));
        using var scope = new TensorScope();
        var small = rotary.Tables(backend, 8, 3);
        rotary.Tables(backend, 8, 4);
        Assert.That(rotary.Version, Is.EqualTo(1));
        float[] angles = [.. small.Sin.ToArray<float>()];
        var large = rotary.Tables(backend, 8, 5);
        Assert.That((rotary.Version, large.Sin.ToArray<float>()[2], angles[2]),
            Is.EqualTo((2, 1.5f * MathF.Sin(0.5f), 1.5f * MathF.Sin(1))));
    }
}
