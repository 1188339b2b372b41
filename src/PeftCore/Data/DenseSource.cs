using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>The pixels or the sound of a sample. They are read each time the sample is drawn, so that a data set of files need not fit into
/// memory and augmentation can differ between epochs.</summary>
internal abstract class DenseSource
{
    /// <summary>The extents of the sample: (channels, height, width), (bins, frames) or (samples). Where draws differ in length, those of
    /// the longest.</summary>
    public abstract Shape Shape { get; }

    /// <summary>The last extent of the sample in one draw.</summary>
    public virtual int ColumnsIn(SampleDraw draw) => Shape.Columns;

    /// <summary>A number that differs between different data, for <see cref="DataFingerprint"/>.</summary>
    public abstract long Fingerprint { get; }

    /// <summary>Whether the model is told where the padding of shorter rows begins.</summary>
    public virtual bool MarksPadding => true;

    /// <summary>Writes the values, row-major.</summary>
    /// <param name="target">As many numbers as <see cref="Shape"/> has with the columns of the draw.</param>
    /// <param name="draw">What random augmentation is seeded with.</param>
    public abstract void Read(Span<float> target, SampleDraw draw);
}

/// <summary>Which time a sample is drawn: random augmentation is a function of it, so that a resumed run repeats it.</summary>
/// <param name="Seed">Seed of the data.</param>
/// <param name="Epoch">Number of the epoch.</param>
/// <param name="Sample">Number of the sample.</param>
internal readonly record struct SampleDraw(ulong Seed, int Epoch, int Sample);

/// <summary>Values in memory.</summary>
/// <param name="values">Row-major.</param>
/// <param name="shape">The extents of the sample.</param>
internal sealed class DenseValues(float[] values, Shape shape) : DenseSource
{
    /// <summary>The values.</summary>
    public float[] Values => values;

    public override Shape Shape => shape;

    public override long Fingerprint
    {
        get
        {
            long hash = values.Length;
            foreach (float value in values)
            {
                hash = hash * 31 + BitConverter.SingleToInt32Bits(value);
            }
            return hash;
        }
    }

    public override void Read(Span<float> target, SampleDraw draw) => values.CopyTo(target);
}
