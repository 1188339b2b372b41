namespace PeftCore.Models;

/// <summary>The inputs of a batch in host memory, row-major. A model uploads what it reads.</summary>
public sealed record InputArrays
{
    /// <summary>(B, T): token ids; empty for models that read none.</summary>
    public int[] Ids { get; init => field = Given.Value(value); } = [];

    /// <summary>Number of rows, B.</summary>
    public required int BatchSize { get; init; }

    /// <summary>(B, T): 1 for a token, 0 for padding; null without padding.</summary>
    public int[]? Mask { get; init; }

    /// <summary>(B, T): 0 for tokens of the first text, 1 for those of the second; null for zeros.</summary>
    public int[]? TokenTypes { get; init; }

    /// <summary>(B, T'): the tokens of the target, −100 for padding. An encoder-decoder reads them, one place later, as the inputs of its
    /// decoder.</summary>
    public int[]? Labels { get; init; }

    /// <summary>(B, T): 1 for a token, 0 for padding that is attended to as a token; null if <see cref="Mask"/> says it.</summary>
    internal int[]? Tokens { get; init; }

    /// <summary>(B, T): positions; null to count the tokens of each row.</summary>
    internal int[]? Positions { get; init; }

    /// <summary>(B, T, 2): the keys [first, end) of each token; null to derive them from the mask.</summary>
    internal int[]? Ranges { get; init; }

    /// <summary>These inputs with other positions.</summary>
    internal InputArrays WithPositions(int[] positions) => this with { Positions = positions };

    /// <summary>(B, channels, height, width): pictures, or the latents that a diffusion model takes noise from.</summary>
    internal DenseArray? Pixels { get; init; }

    /// <summary>(B, bins, frames) for a spectrogram, (B, samples) for a waveform.</summary>
    internal DenseArray? Sound { get; init; }

    /// <summary>(B): the samples or frames of each row of <see cref="Sound"/> that are no padding; null without padding.</summary>
    internal int[]? SoundLengths { get; init; }

    /// <summary>(B, T, 4): the box of each token on its page: left, top, right, bottom, in thousandths of the page.</summary>
    internal int[]? Boxes { get; init; }

    /// <summary>(B): the step of the noise schedule of each row.</summary>
    internal int[]? Timesteps { get; init; }

    /// <summary>(B, T', C'): hidden states of another model's encoder that this one attends to.</summary>
    internal DenseArray? EncoderStates { get; init; }

    /// <summary>(B, 1) or (B, C'): the class of the picture of each row, a number or a vector.</summary>
    internal DenseArray? Classes { get; init; }

    /// <summary>These inputs with one more, by Hugging Face's name for it: "pixel_values" or "sample" (B, channels, height, width),
    /// "input_features" (B, bins, frames), "input_values" (B, samples), "bbox" (B, T, 4), "timestep" (B), "encoder_hidden_states"
    /// (B, T', C'), "class_labels" (B) or (B, C').</summary>
    /// <param name="name">The name.</param>
    /// <param name="values">The values, row by row; whole numbers for boxes, steps and classes.</param>
    /// <param name="shape">The extents, that of the batch first.</param>
    /// <exception cref="BadInputException">The name is unknown, or the values do not fill the shape.</exception>
    public InputArrays With(string name, ReadOnlySpan<float> values, params ReadOnlySpan<int> shape)
    {
        var array = DenseArray.Of(name, values, shape, BatchSize);
        return name switch
        {
            "pixel_values" or "sample" => this with { Pixels = array.OfRank(4, name) },
            "input_features" => this with { Sound = array.OfRank(3, name) },
            "input_values" => this with { Sound = array.OfRank(2, name) },
            "bbox" => this with { Boxes = array.OfRank(3, name).ToInts(name) },
            "timestep" => this with { Timesteps = array.OfRank(1, name).ToInts(name) },
            "encoder_hidden_states" => this with { EncoderStates = array.OfRank(3, name) },
            "class_labels" => this with
            {
                Classes = array.Shape.Rank == 1 ? new DenseArray(array.Values, [BatchSize, 1]) : array.OfRank(2, name),
            },
            _ => throw new BadInputException($"there is no input \"{name}\"; expected pixel_values, sample, input_features, input_values, " +
                "bbox, timestep, encoder_hidden_states or class_labels"),
        };
    }

    /// <summary>(B): the task of each row, for adapters with several tasks; null without tasks.</summary>
    internal int[]? Tasks { get; init; }
}
