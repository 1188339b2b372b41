using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class ResamplerTests
{
    // A sine below both Nyquist rates is the same sine at the other rate; the ends, where the recording begins and stops, are left out.
    [TestCase(8000, 16000)]
    [TestCase(44100, 16000)]
    [TestCase(48000, 16000)]
    [TestCase(11025, 16000)]
    [TestCase(16000, 7350)]
    public void A_tone_keeps_its_frequency_and_amplitude(int from, int to)
    {
        float[] x = Tone(440, from, seconds: 0.5);
        float[] y = Resampler.Resample(x, from, to), expected = Tone(440, to, seconds: 0.5);
        Assert.That(y, Has.Length.EqualTo((x.Length * (long)to + from - 1) / from));
        double worst = Enumerable.Range(y.Length / 8, y.Length / 4 * 3).Max(i => Math.Abs(y[i] - expected[i]));
        Assert.That(worst, Is.LessThan(1e-5));
    }

    [Test]
    public void A_tone_above_the_new_nyquist_rate_is_removed()
    {
        float[] y = Resampler.Resample(Tone(5000, 16000, seconds: 0.5), 16000, 8000);
        Assert.That(y.Skip(500).Take(3000).Max(Math.Abs), Is.LessThan(1e-5));
    }

    private static float[] Tone(double hertz, int rate, double seconds) =>
        [.. Enumerable.Range(0, (int)(rate * seconds)).Select(i => (float)Math.Sin(2 * Math.PI * hertz * i / rate))];
}
