using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class PhiloxTests
{
    // The known answers that Random123 publishes for philox4x32-10.
    [TestCase(0ul, 0ul, 0ul, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [TestCase(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [TestCase(0x299f31d0a4093822ul, 0x0370734413198a2eul, 0x85a308d3243f6a88ul, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void The_published_known_answers_come_out(ulong seed, ulong stream, ulong counter, uint x, uint y, uint z, uint w) =>
        Assert.That(Philox.Next(seed, stream, counter), Is.EqualTo(new RandomWords(x, y, z, w)));

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(37)]
    [TestCase(16390)]
    [TestCase(50001)]
    public void Dropout_keeps_exactly_the_elements_whose_uniform_number_is_large_enough(int n)
    {
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, n), y = Numbers.Poison(n);
        const float Probability = 0.3f;
        float[] expected = [.. x.Select((v, i) => Philox.Uniform(7, 9, (ulong)i) >= Probability ? v * (1f / (1f - Probability)) : 0f)];
        Philox.Dropout(x, y, Probability, 7, 9, false, pool);
        Assert.That(y, Is.EqualTo(expected));
        Philox.Dropout(x, y, Probability, 7, 9, true, pool);
        Assert.That(y, Is.EqualTo(expected.Select(v => v + v)));
        Philox.Dropout(x, x, Probability, 7, 9, false, pool);
        Assert.That(x, Is.EqualTo(expected));
    }

    [Test]
    public void Dropout_drops_about_its_share_and_another_stream_drops_others()
    {
        using WorkerPool pool = new(2);
        float[] ones = new float[100_000], a = new float[100_000], b = new float[100_000];
        Array.Fill(ones, 1f);
        Philox.Dropout(ones, a, 0.1f, 3, 0, false, pool);
        Philox.Dropout(ones, b, 0.1f, 3, 1, false, pool);
        Assert.That(a.Count(v => v == 0), Is.EqualTo(10_000).Within(400));
        Assert.That(a.Zip(b).Count(p => p.First == 0 && p.Second == 0), Is.EqualTo(1000).Within(150));
    }

    [Test]
    public void Dropout_of_nothing_copies_and_dropout_of_all_is_zero()
    {
        using WorkerPool pool = new(1);
        float[] x = Numbers.Random(1, 100), y = Numbers.Poison(100);
        Philox.Dropout(x, y, 0f, 1, 1, false, pool);
        Assert.That(y, Is.EqualTo(x));
        Philox.Dropout(x, y, 1f, 1, 1, false, pool);
        Assert.That(y, Is.All.EqualTo(0f));
    }

    [Test]
    public void Uniform_and_normal_numbers_have_their_moments_and_do_not_depend_on_the_length()
    {
        float[] u = new float[200_001], z = new float[200_001], head = new float[10];
        Philox.FillUniform(u, -2f, 4f, 5, 6);
        Assert.That(u.Min(), Is.GreaterThanOrEqualTo(-2f).And.LessThan(-1.99f));
        Assert.That(u.Max(), Is.LessThanOrEqualTo(4f).And.GreaterThan(3.99f));
        Assert.That(u.Average(), Is.EqualTo(1).Within(0.02));
        Philox.FillNormal(z, 1f, 0.5f, 5, 6);
        double mean = z.Average(), std = Math.Sqrt(z.Average(v => (v - mean) * (v - mean)));
        Assert.That(mean, Is.EqualTo(1).Within(0.005));
        Assert.That(std, Is.EqualTo(0.5).Within(0.005));
        Assert.That(z.Average(v => Math.Pow((v - mean) / std, 4)), Is.EqualTo(3).Within(0.1));
        Philox.FillNormal(head, 1f, 0.5f, 5, 6);
        Assert.That(head, Is.EqualTo(z.Take(10)));
    }
}
