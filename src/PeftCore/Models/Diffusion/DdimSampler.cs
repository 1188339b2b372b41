using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Draws pictures, or latents, with a diffusion model: DDIM (Song et al. 2021) with η = 0, so that the noise it starts with
/// decides the result.</summary>
public static class DdimSampler
{
    /// <summary>Draws pictures.</summary>
    /// <param name="model">The diffusion model.</param>
    /// <param name="schedule">The noise schedule it was trained with.</param>
    /// <param name="textStates">(tokens, columns) of a text's hidden states, row-major, for all pictures; or (count, tokens,
    /// columns).</param>
    /// <param name="tokens">Tokens of the text.</param>
    /// <param name="count">Pictures.</param>
    /// <param name="steps">Steps of sampling.</param>
    /// <param name="seed">Seed of the noise; picture i has the same noise whatever the count.</param>
    /// <param name="classLabels">The class of all pictures, or that of each: numbers or vectors; empty for a model that reads
    /// none.</param>
    /// <returns>(count, channels, height, width), row-major.</returns>
    /// <exception cref="BadInputException">The model is no diffusion model, or the text or the classes do not fit it.</exception>
    public static float[] Sample(TransformerModel model, NoiseSchedule schedule, ReadOnlySpan<float> textStates, int tokens, int count,
        int steps, ulong seed, ReadOnlySpan<float> classLabels = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(schedule);
        return Sample(model, schedule, textStates, tokens, count, steps, seed, [], 1, classLabels);
    }

    /// <summary>Draws pictures with classifier-free guidance (Ho and Salimans 2022): the prediction is u + g·(c − u), with the prediction c
    /// for the text and u for the hidden states (tokens, columns) of no text; without those there is no guidance.</summary>
    internal static float[] Sample(TransformerModel model, NoiseSchedule schedule, ReadOnlySpan<float> textStates, int tokens, int count,
        int steps, ulong seed, ReadOnlySpan<float> without, double guidance, ReadOnlySpan<float> classLabels)
    {
        if (model is not UNet unet || count < 1)
        {
            throw new BadInputException(model is UNet ? $"{count} pictures cannot be drawn; draw at least one"
                : $"{model.ModelType} models predict no noise, so they draw no pictures");
        }
        var config = unet.Config;
        int columns = config.CrossChannels, each = config.InChannels * config.SampleSize * config.SampleSize;
        if (config.InChannels != config.OutChannels)
        {
            throw new BadInputException(
                $"the model reads {config.InChannels} channels and predicts {config.OutChannels}; a sampler needs as many");
        }
        float[] text = TextOf(textStates, tokens, columns, count), pictures = new float[count * each];
        float[]? classes = ClassesOf(classLabels, config.Classes, count);
        float[]? noText = without.IsEmpty ? null : TextOf(without, tokens, columns, count);
        for (int i = 0; i < count; i++)
        {
            Philox.FillNormal(pictures.AsSpan(i * each, each), 0, 1, seed, (ulong)i);
        }
        using var evaluation = new EvalModeScope(model.Mode);
        foreach (int t in schedule.SamplingSteps(steps))
        {
            float[] prediction = Predict(model, config, pictures, text, tokens, classes, t);
            if (noText is not null)
            {
                Guide(prediction, Predict(model, config, pictures, noText, tokens, classes, t), guidance);
            }
            schedule.Denoise(pictures, prediction, t, schedule.Steps / steps);
        }
        return pictures;
    }

    private static float[] Predict(TransformerModel model, UNetConfig config, float[] pictures, float[] text, int tokens,
        float[]? classes, int t)
    {
        using var scope = new TensorScope();
        int count = text.Length / tokens / config.CrossChannels;
        float[] steps = new float[count];
        Array.Fill(steps, t);
        var arrays = new InputArrays { BatchSize = count }
            .With("sample", pictures, count, config.InChannels, config.SampleSize, config.SampleSize)
            .With("timestep", steps, count).With("encoder_hidden_states", text, count, tokens, config.CrossChannels);
        arrays = classes is null ? arrays : arrays.With("class_labels", classes, count, classes.Length / count);
        return Tape.NoGrad(() => model.Logits(model.ToInputs(arrays))).ToArray<float>();
    }

    private static void Guide(float[] prediction, float[] without, double guidance)
    {
        for (int i = 0; i < prediction.Length; i++)
        {
            prediction[i] = (float)(without[i] + guidance * (prediction[i] - without[i]));
        }
    }

    /// <summary>The class of each picture; null for none.</summary>
    private static float[]? ClassesOf(ReadOnlySpan<float> labels, ClassInput? input, int count)
    {
        int columns = input?.Columns ?? 1;
        if (labels.Length != columns && labels.Length != (long)columns * count)
        {
            return labels.IsEmpty ? null : throw new BadInputException(
                $"{labels.Length} numbers are not the classes of {count} pictures, of {columns} numbers each");
        }
        float[] all = new float[count * columns];
        for (int i = 0; i < count; i++)
        {
            (labels.Length == columns ? labels : labels.Slice(i * columns, columns)).CopyTo(all.AsSpan(i * columns));
        }
        return all;
    }

    private static float[] TextOf(ReadOnlySpan<float> states, int tokens, int columns, int count)
    {
        long one = (long)tokens * columns;
        if (tokens < 1 || (states.Length != one && states.Length != one * count))
        {
            throw new BadInputException($"{states.Length} numbers are not the states of {tokens} tokens of {columns} columns");
        }
        float[] all = new float[one * count];
        for (int i = 0; i < count; i++)
        {
            (states.Length == one ? states : states.Slice((int)(i * one), (int)one)).CopyTo(all.AsSpan((int)(i * one)));
        }
        return all;
    }
}
