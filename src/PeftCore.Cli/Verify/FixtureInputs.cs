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

    public static ModelInputs From(TransformerModel model, Expected expected) => model.ToInputs(new InputArrays
    {
        Ids = expected.Ints("in.input_ids"),
        BatchSize = expected.Extent("in.input_ids", 0),
        Mask = expected.Ints("in.attention_mask"),
        Labels = model.Task == ModelTask.Seq2SeqLm ? expected.Ints("in.labels") : null,
    });

    /// <summary>The loss of the fixture: that of the task, or for features the mean square of the hidden states.</summary>
    public static Tensor Loss(TransformerModel model, Expected expected)
    {
        var inputs = From(model, expected);
        if (model.Task == ModelTask.FeatureExtraction)
        {
            var hidden = model.Hidden(inputs);
            return (hidden * hidden).Mean();
        }
        int[] labels = model.Task == ModelTask.QuestionAnswering
            ? [.. expected.Ints("in.start_positions"), .. expected.Ints("in.end_positions")] : expected.Ints("in.labels");
        return model.Loss(inputs, model.ToTargets(labels, expected.Extent("in.input_ids", 0)));
    }

    /// <summary>The base model's directory: --model, or the path in the adapter's configuration, relative to the adapter.</summary>
    public static string BaseOf(string directory, string? given)
    {
        if (given is not null)
        {
            return given;
        }
        string path = Path.Combine(directory, "adapter_config.json");
        string named = ConfigReader.Open(path).String("base_model_name_or_path");
        string combined = Path.GetFullPath(Path.Combine(directory, named));
        return Directory.Exists(combined)
            ? combined
            : throw new BadInputException($"{path}: its base model \"{named}\" is not at {combined}; name it with --model");
    }
}
