using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>A fixture's input batch and the directory of its base model.</summary>
internal static class FixtureInputs
{
    /// <summary>The fixtures were computed with eager attention.</summary>
    public static TaskOptions AsReference { get; } = new() { AsEagerTransformers = true };

    // Inputs of floats and of whole numbers beside token ids.
    private static readonly string[] Floats = ["pixel_values", "sample", "input_features", "input_values", "encoder_hidden_states"],
        Ints = ["bbox", "timestep", "class_labels"];

    public static ModelInputs From(TransformerModel model, Expected expected)
    {
        var arrays = new InputArrays
        {
            Ids = IntsOrNull(expected, "in.input_ids") ?? [],
            BatchSize = BatchSize(expected),
            Mask = IntsOrNull(expected, "in.attention_mask"),
            Labels = model.Task is ModelTask.Seq2SeqLm or ModelTask.SpeechToText ? expected.Ints("in.labels") : null,
        };
        foreach (string name in Floats.Where(name => expected.Has("in." + name)))
        {
            arrays = arrays.With(name, expected.Floats("in." + name), expected.Shape("in." + name));
        }
        foreach (string name in Ints.Where(name => expected.Has("in." + name)))
        {
            float[] numbers = Array.ConvertAll(expected.Ints("in." + name), value => (float)value);
            arrays = arrays.With(name, numbers, expected.Shape("in." + name));
        }
        return model.ToInputs(arrays);
    }

    /// <summary>Rows of the batch: the first extent of every input.</summary>
    private static int BatchSize(Expected expected) =>
        expected.Extent(expected.Names.First(name => name.StartsWith("in.", StringComparison.Ordinal)), 0);

    private static int[]? IntsOrNull(Expected expected, string name) => expected.Has(name) ? expected.Ints(name) : null;

    /// <summary>The loss of the fixture: that of the task, or for features the mean square of the hidden states.</summary>
    public static Tensor Loss(TransformerModel model, Expected expected)
    {
        var inputs = From(model, expected);
        if (model.Task == ModelTask.FeatureExtraction)
        {
            var hidden = model.Hidden(inputs);
            return (hidden * hidden).Mean();
        }
        int rows = BatchSize(expected);
        return model.Loss(inputs, model.Task == ModelTask.NoisePrediction ? model.ToTargets(expected.Floats("in.target"), rows)
            : model.ToTargets(Labels(model, expected), rows));
    }

    private static int[] Labels(TransformerModel model, Expected expected) => model.Task switch
    {
        ModelTask.QuestionAnswering => [.. expected.Ints("in.start_positions"), .. expected.Ints("in.end_positions")],
        ModelTask.Contrastive => [.. Enumerable.Range(0, BatchSize(expected))], // Row i of the pictures belongs to row i of the texts.
        _ => expected.Ints("in.labels"),
    };

    /// <summary>The base model's directory: --model, or the path in the adapter's configuration, relative to the adapter. Adapters of
    /// diffusion models name none: their base is the directory "base" beside them.</summary>
    public static string BaseOf(string directory, string? given)
    {
        if (given is not null)
        {
            return given;
        }
        string path = Path.Combine(directory, "adapter_config.json");
        string beside = Path.Combine(directory, "..", "base");
        string named = ConfigReader.Open(path).StringOrNull("base_model_name_or_path")
            ?? (Directory.Exists(beside) ? Path.Combine("..", "base")
            : throw new BadInputException($"{path}: it names no base model; name it with --model"));
        string combined = Path.GetFullPath(Path.Combine(directory, named));
        return Directory.Exists(combined)
            ? combined
            : throw new BadInputException($"{path}: its base model \"{named}\" is not at {combined}; name it with --model");
    }
}
