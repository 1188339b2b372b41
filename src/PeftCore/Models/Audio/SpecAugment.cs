using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>SpecAugment (Park et al. 2019): in training, spans of frames and spans of features of each recording are masked. The masks
/// are a function of seed and step.</summary>
/// <param name="Time">Spans of frames.</param>
/// <param name="Features">Spans of features.</param>
internal sealed record SpecAugment(SpecSpans Time, SpecSpans Features)
{
    // Sites of the base's random streams outside the blocks, after those of dropout.
    private const int TimeSite = 2, FeatureSite = 3;

    /// <summary>Whether anything is masked.</summary>
    public bool Applies => Time.Probability > 0 || Features.Probability > 0;

    /// <summary>Reads the fields of config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="fallback">apply_spec_augment if it is absent.</param>
    /// <returns>Null if nothing is masked.</returns>
    public static SpecAugment? Read(ConfigReader config, bool fallback)
    {
        var augment = new SpecAugment(SpecSpans.Read(config, "mask_time", 0.05, 2), SpecSpans.Read(config, "mask_feature", 0, 0));
        return config.Bool("apply_spec_augment", fallback) && augment.Applies ? augment : null;
    }

    /// <summary>(B, frames): whether each frame is masked; null if none can be.</summary>
    /// <param name="mode">Seed and step.</param>
    /// <param name="batch">Rows B.</param>
    /// <param name="frames">Frames of a row.</param>
    /// <param name="lengths">(B): frames of each row that are no padding; null without padding.</param>
    public bool[]? FrameMask(RunMode mode, int batch, int frames, int[]? lengths) =>
        Time.Mask(mode, TimeSite, batch, frames, lengths);

    /// <summary>(B, features): whether each feature is masked; null if none can be.</summary>
    public bool[]? FeatureMask(RunMode mode, int batch, int features) => Features.Mask(mode, FeatureSite, batch, features, null);
}

/// <summary>Spans of one axis.</summary>
/// <param name="Name">The fields' first words, for error messages.</param>
/// <param name="Probability">The share of elements that spans would cover if they did not overlap.</param>
/// <param name="Length">Elements of a span.</param>
/// <param name="AtLeast">The least number of spans of a row.</param>
internal sealed record SpecSpans(string Name, double Probability, int Length, int AtLeast)
{
    /// <summary>Reads the fields of config.json.</summary>
    public static SpecSpans Read(ConfigReader config, string name, double probability, int atLeast) => new(name,
        config.Float(name + "_prob", probability, min: 0, max: 1), config.Int(name + "_length", 10, min: 1, max: 1 << 20),
        config.Int(name + "_min_masks", atLeast, min: 0, max: 1 << 20));

    /// <summary>The masks of a batch, as transformers draws them: p·n/length spans of a row of n elements, rounded up or down at random
    /// (the same way for all rows), with different starts.</summary>
    /// <exception cref="BadInputException">A span is longer than the rows.</exception>
    public bool[]? Mask(RunMode mode, int site, int batch, int count, int[]? lengths)
    {
        if (Probability == 0)
        {
            return null;
        }
        if (Length > count)
        {
            throw new BadInputException($"{Name}_length is {Length}, but a batch of recordings has only {count} elements to mask; lower " +
                "it, or set apply_spec_augment to false");
        }
        ulong stream = LayerDropout.OfBase(mode, 1, -1, site).Stream, drawn = 0;
        double rounding = Draw();
        bool[] mask = new bool[batch * count];
        for (int row = 0; row < batch; row++)
        {
            int own = lengths?[row] ?? count, starts = Math.Max(0, own - (Length - 1));
            int spans = Math.Min(Math.Max((int)(Probability * own / Length + rounding), AtLeast), count / Length);
            int[] places = [.. Enumerable.Range(0, starts)];
            for (int i = 0; i < Math.Min(spans, starts); i++)
            {
                int chosen = i + Math.Min((int)(Draw() * (starts - i)), starts - i - 1);
                (places[i], places[chosen]) = (places[chosen], places[i]);
                mask.AsSpan(row * count + places[i], Length).Fill(true);
            }
        }
        return mask;

        double Draw() => Philox.Uniform(mode.Seed, stream, drawn++);
    }
}
