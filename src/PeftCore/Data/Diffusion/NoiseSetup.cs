using System.Globalization;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>What a diffusion model is trained and sampled with beside its own weights: the noise schedule and the text encoder, which a
/// pipeline of diffusers has in directories beside that of the UNet.</summary>
internal sealed class NoiseSetup
{
    private const string ScheduleName = "scheduler_config.json";

    private readonly Shape _sample;
    private readonly DenseValues _none;

    private NoiseSetup(UNetConfig config, Shape sample, NoiseSchedule schedule, PipelineText? texts)
    {
        _none = new DenseValues(new float[config.CrossChannels], [1, config.CrossChannels]);
        (_sample, Schedule, Texts, Classes) = (sample, schedule, texts, config.Classes);
    }

    /// <summary>The noise of each step.</summary>
    public NoiseSchedule Schedule { get; }

    /// <summary>The class of a picture that the model reads; null for none.</summary>
    public ClassInput? Classes { get; }

    /// <summary>The text encoder; null without one.</summary>
    public PipelineText? Texts { get; }

    /// <summary>Finds schedule and text encoder of a UNet's directory.</summary>
    /// <param name="model">The UNet, with or without weights.</param>
    /// <param name="directory">Its directory.</param>
    /// <param name="warnings">Receives a sentence for each file that is not there.</param>
    /// <exception cref="BadInputException">A file is malformed or asks for something that is not supported.</exception>
    public static NoiseSetup Open(UNet model, string directory, ICollection<string>? warnings)
    {
        string pipeline = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory))) ?? directory;
        string? schedule = Array.Find([Path.Combine(directory, ScheduleName), Path.Combine(pipeline, "scheduler", ScheduleName)], File.Exists);
        var texts = PipelineText.Find(pipeline, model.Config.CrossChannels);
        if (schedule is null)
        {
            warnings?.Add($"{directory}: there is no {ScheduleName}, here or in the directory scheduler beside it, so the noise is that of " +
                "Stable Diffusion (scaled_linear, 0.00085 to 0.012 in 1,000 steps, epsilon).");
        }
        if (texts is null)
        {
            warnings?.Add($"{directory}: there are no text_encoder and tokenizer beside it, so the model gets hidden states of zero in the " +
                $"place of a text; texts {(model.Config.Classes is null ? "and classes " : "")}of the data are not read.");
        }
        return new NoiseSetup(model.Config, model.InputsOf(0).Pixels!.Value,
            schedule is null ? NoiseSchedule.StableDiffusion : NoiseSchedule.Load(schedule), texts);
    }

    /// <summary>The hidden states of texts by text: those of the text encoder, or zeros.</summary>
    public Func<string, DenseValues> StatesOf(IEnumerable<string> texts)
    {
        if (Texts is null)
        {
            return _ => _none;
        }
        var states = Texts.Encode(texts);
        return text => states[text];
    }

    /// <summary>Reads a file of latents: a tensor "latents" (channels, height, width), scaled as the model reads them, and optionally
    /// "encoder_hidden_states" (tokens, columns), which replace those of the text, and "class_labels" (columns), the vector of a
    /// class.</summary>
    /// <exception cref="BadInputException">The file is no such file, or does not fit the model.</exception>
    public (DenseValues Latents, DenseValues? States, DenseValues? Class) ReadLatents(string path)
    {
        using var source = WeightSource.OpenFile(path);
        var latents = Find(source, "latents", 3) ?? throw new BadInputException(
            $"{path}: the file has no tensor \"latents\" ({_sample[0]}, height, width), which this model learns.");
        if (latents.Shape[0] != _sample[0])
        {
            throw new BadInputException($"{path}: the latents have {latents.Shape[0]} channels, but this model reads {_sample[0]}.");
        }
        var states = Find(source, "encoder_hidden_states", 2);
        if (states is not null && states.Shape[1] != _none.Shape[1])
        {
            throw new BadInputException(
                $"{path}: encoder_hidden_states have {states.Shape[1]} columns, but this model reads {_none.Shape[1]}.");
        }
        var vector = Find(source, "class_labels", 1);
        return vector is null || vector.Shape[0] == Classes?.Columns ? (latents, states, vector) : throw new BadInputException(
            $"{path}: class_labels has {vector.Shape[0]} numbers, but this model reads {Classes?.Columns.ToString(CultureInfo.InvariantCulture) ?? "no class"}.");
    }

    /// <summary>A tensor of so many axes; a further first axis may have extent 1.</summary>
    private static DenseValues? Find(WeightSource source, string name, int axes)
    {
        if (!source.TryGet(name, out var entry))
        {
            return null;
        }
        long[] shape = entry.Shape.Length == axes + 1 && entry.Shape[0] == 1 ? entry.Shape[1..] : entry.Shape;
        if (shape.Length != axes || shape.Any(extent => extent is < 1 or > 1 << 20))
        {
            throw entry.Error($"has the shape [{string.Join(", ", entry.Shape)}], expected {axes} axes, none of them empty");
        }
        return new DenseValues(entry.ToFloats(), Shape.Of(Array.ConvertAll(shape, extent => (int)extent)));
    }
}
