using PeftCore.Models;

namespace PeftCore.Data;

/// <summary>Draws pictures with a diffusion model for a text.</summary>
internal static class PictureDrawing
{
    /// <summary>Draws pictures; <see cref="PictureReader.Draw"/> explains the arguments.</summary>
    public static IReadOnlyList<(byte[] Pixels, int Height, int Width)> Draw(NoiseSetup setup, TransformerModel model, string? prompt,
        int count, int steps, ulong seed, double guidance, int? classLabel)
    {
        if (model is not UNet { Config: { OutChannels: Picture.Channels } config })
        {
            throw new BadInputException($"this model predicts latents of {(model as UNet)?.Config.OutChannels ?? 0} channels, and what turns " +
                "them into a picture, a variational autoencoder, is not supported; sample with diffusers, or in the library with DdimSampler.");
        }
        if (setup.Texts is null && (prompt is not null || guidance != 1))
        {
            throw new BadInputException(
                "a prompt or a guidance scale needs text_encoder and tokenizer beside the model's directory; leave them out.");
        }
        CheckClass(config.Classes, classLabel);
        var textOf = setup.StatesOf([prompt ?? "", ""]);
        DenseValues text = textOf(prompt ?? ""), without = textOf("");
        float[] pictures = DdimSampler.Sample(model, setup.Schedule, text.Values, text.Shape[0], count, steps, seed,
            guidance == 1 ? [] : without.Values, guidance, classLabel is { } number ? [number] : []);
        int side = config.SampleSize, each = pictures.Length / count;
        return [.. Enumerable.Range(0, count).Select(i => (ToPixels(pictures.AsSpan(i * each, each), side), side, side))];
    }

    /// <summary>Refuses a class that the model does not read, and the other way round.</summary>
    private static void CheckClass(ClassInput? classes, int? label)
    {
        if (classes is { IsNumber: false })
        {
            throw new BadInputException($"this model reads a vector of {classes.Size} numbers for the class of a picture; sample in the library, "
                + "with DdimSampler.");
        }
        if (classes is null != label is null)
        {
            throw new BadInputException(classes is null ? "this model draws no classes; leave the class label out."
                : $"this model draws pictures of a class; give its number, 0 to {classes.Size - 1}, as the class label.");
        }
    }

    /// <summary>(3, side, side) in [−1, 1] as levels of 0 to 255.</summary>
    private static byte[] ToPixels(ReadOnlySpan<float> values, int side)
    {
        byte[] pixels = new byte[values.Length];
        int count = side * side;
        for (int i = 0; i < values.Length; i++)
        {
            pixels[i % count * Picture.Channels + i / count] = (byte)Math.Clamp(Math.Round((values[i] + 1) / 2 * 255), 0, 255);
        }
        return pixels;
    }
}
