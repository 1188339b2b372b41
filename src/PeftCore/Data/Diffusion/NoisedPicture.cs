using PeftCore.Kernels;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>A picture, or its latents, with the noise of a random step each time it is drawn (Ho et al. 2020, algorithm 1). Step and noise
/// are functions of the draw, so that a resumed run repeats them.</summary>
/// <param name="clean">The picture without noise, (channels, height, width).</param>
/// <param name="schedule">The noise of each step.</param>
internal sealed class NoisedPicture(DenseSource clean, NoiseSchedule schedule) : DenseSource
{
    // Bits of a random stream's number below the epoch.
    private const int SampleBits = 32;

    public override Shape Shape => clean.Shape;

    public override long Fingerprint => unchecked(clean.Fingerprint * 31 + schedule.Fingerprint);

    /// <summary>The step of a draw, uniform over the schedule.</summary>
    public int StepOf(SampleDraw draw) =>
        (int)((ulong)Philox.Next(draw.Seed, StreamOf(draw), ulong.MaxValue).X * (ulong)schedule.Steps >> 32);

    /// <summary>Writes the noised picture.</summary>
    public override void Read(Span<float> target, SampleDraw draw)
    {
        float[] noise = NoiseOf(draw);
        schedule.AddNoise(CleanOf(draw), noise, StepOf(draw), target);
    }

    /// <summary>Writes what the model is to predict.</summary>
    public void ReadTarget(Span<float> target, SampleDraw draw)
    {
        float[] noise = NoiseOf(draw);
        schedule.Target(CleanOf(draw), noise, StepOf(draw), target);
    }

    // Augmentation may differ between draws.
    private float[] CleanOf(SampleDraw draw)
    {
        float[] picture = new float[Shape.Count];
        clean.Read(picture, draw);
        return picture;
    }

    private float[] NoiseOf(SampleDraw draw)
    {
        float[] noise = new float[Shape.Count];
        Philox.FillNormal(noise, 0, 1, draw.Seed, StreamOf(draw));
        return noise;
    }

    private static ulong StreamOf(SampleDraw draw) => ((ulong)(uint)draw.Epoch << SampleBits) | (uint)draw.Sample;
}
