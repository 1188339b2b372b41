using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    private Uploaded? _frames;
    private Uploaded? _frameMask;
    private Uploaded? _featureMask;

    /// <summary>(B): frames of each row that are no padding; empty for models that do not read frames.</summary>
    internal int[] FrameCounts { get; private init; } = [];

    /// <summary>I32 (B): <see cref="FrameCounts"/>.</summary>
    internal Tensor Frames => _frames!.Tensor;

    /// <summary>F32 (B·length): 1 for a frame that SpecAugment masks; null without masks.</summary>
    internal Tensor? MaskedFrames => _frameMask?.Tensor;

    /// <summary>F32 (B, length, features): 0 for a feature that SpecAugment masks; null without masks.</summary>
    internal Tensor? KeptFeatures => _featureMask?.Tensor;

    /// <summary>Inputs of an encoder of sound.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="arrays">The batch.</param>
    /// <param name="places">Hidden states of a row.</param>
    /// <param name="frames">(B): those of each row that are no padding; null without padding.</param>
    internal static ModelInputs OfFrames(Backend backend, InputArrays arrays, int places, int[]? frames)
    {
        int batch = arrays.BatchSize;
        int[]? mask = null;
        if (frames is not null && frames.AsSpan().ContainsAnyExcept(places))
        {
            mask = new int[batch * places];
            for (int row = 0; row < batch; row++)
            {
                mask.AsSpan(row * places, frames[row]).Fill(1);
            }
        }
        int[] counts = frames ?? [.. Enumerable.Repeat(places, batch)];
        var inputs = Bidirectional(backend, arrays with { Mask = mask }, places);
        return new ModelInputs(inputs)
        {
            FrameCounts = counts,
            _frames = new Uploaded(backend.From(counts, [batch]).SameScope(inputs._owner), counts),
        };
    }

    /// <summary>Uploads the masks of SpecAugment.</summary>
    /// <param name="frames">(B, length), or null.</param>
    /// <param name="features">(B, features), or null.</param>
    internal void UploadMasks(bool[]? frames, bool[]? features)
    {
        if (frames is not null)
        {
            float[] values = Array.ConvertAll(frames, masked => masked ? 1f : 0);
            _frameMask = new Uploaded(Backend.From(values, [values.Length]).SameScope(_owner), values);
        }
        if (features is not null)
        {
            int columns = features.Length / Batch;
            float[] values = new float[Batch * Length * columns];
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = features[i / columns / Length * columns + i % columns] ? 0 : 1;
            }
            _featureMask = new Uploaded(Backend.From(values, [Batch, Length, columns]).SameScope(_owner), values);
        }
    }
}
