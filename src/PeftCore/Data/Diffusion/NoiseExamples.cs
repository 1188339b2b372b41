using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>Samples for the training of diffusion models: a picture, which gets noise each time it is drawn, and the text it
/// belongs to.</summary>
public static class NoiseExamples
{
    /// <summary>Creates a sample.</summary>
    /// <param name="schedule">The noise of each step.</param>
    /// <param name="picture">(channels, height, width) of a picture in [−1, 1], or of its latents; row-major.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="height">Height.</param>
    /// <param name="textStates">(tokens, columns): the hidden states of the text; row-major.</param>
    /// <param name="tokens">Tokens of the text.</param>
    /// <param name="classLabel">The class of the picture: its number, or a vector; empty for a model that reads none.</param>
    /// <exception cref="BadInputException">The numbers do not fill the extents.</exception>
    public static Example Of(NoiseSchedule schedule, ReadOnlySpan<float> picture, int channels, int height, ReadOnlySpan<float> textStates,
        int tokens, ReadOnlySpan<float> classLabel = default)
    {
        if (channels < 1 || height < 1 || picture.Length == 0 || picture.Length % (channels * height) != 0)
        {
            throw new BadInputException($"{picture.Length} numbers are no picture of {channels} channels and {height} rows");
        }
        if (tokens < 1 || textStates.Length == 0 || textStates.Length % tokens != 0)
        {
            throw new BadInputException($"{textStates.Length} numbers are not the states of {tokens} tokens");
        }
        Shape shape = [channels, height, picture.Length / channels / height], text = [tokens, textStates.Length / tokens];
        return Example.Unlabelled([]) with
        {
            Pixels = new NoisedPicture(new DenseValues(picture.ToArray(), shape), schedule),
            EncoderStates = new DenseValues(textStates.ToArray(), text),
            Classes = classLabel.IsEmpty ? null : new DenseValues(classLabel.ToArray(), [classLabel.Length]),
        };
    }
}
