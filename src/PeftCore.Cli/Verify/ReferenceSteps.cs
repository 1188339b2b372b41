using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Cli.Verify;

/// <summary>The optimizer steps of a fixture, whose losses and trained parameters it has as adamw.*. The name of its directory tells the
/// optimizer: one of the table below, or else AdamW.</summary>
internal static class ReferenceSteps
{
    /// <summary>The learning rate of all optimizers, constant.</summary>
    public const double LearningRate = 1e-2;

    /// <summary>λ of AdamW and of LoRA-FA, for all parameters.</summary>
    public const float WeightDecay = 0.01f;

    // Of LoRA+ the fixtures' authors give the ratio; the other settings are those that repeat the numbers.
    private static readonly Dictionary<string, TrainerOptions> Optimizers = new(StringComparer.Ordinal)
    {
        // create_loraplus_optimizer over torch's AdamW, without weight decay, which is its default.
        ["lora_plus"] = new()
        {
            Optimizer = OptimizerKind.LoraPlus, LearningRate = LearningRate, LoraPlusRates = (4, 1e-6), MaxGradNorm = 0,
        },
        // create_lorafa_optimizer, whose ε is 1e-6 always.
        ["lora_fa"] = new()
        {
            Optimizer = OptimizerKind.LoraFa, LearningRate = LearningRate, WeightDecay = WeightDecay, Epsilon = 1e-6f, MaxGradNorm = 0,
        },
    };

    /// <summary>The optimizer of a fixture and its settings; null for AdamW with betas 0.9 and 0.999 and ε = 1e-8.</summary>
    public static TrainerOptions? OptionsOf(string directory) =>
        Optimizers.GetValueOrDefault(Path.GetFileName(Path.GetFullPath(directory)));

    /// <summary>Trains the active adapter on the fixture's batch.</summary>
    /// <param name="model">A causal language model with the adapter.</param>
    /// <param name="expected">The batch, its padding on the right.</param>
    /// <param name="options">The optimizer.</param>
    /// <param name="count">The number of steps.</param>
    /// <returns>The loss before each step.</returns>
    /// <exception cref="BadInputException">The model has another task.</exception>
    public static float[] Run(PeftModel model, Expected expected, TrainerOptions options, int count)
    {
        if (model.Base.Task != ModelTask.CausalLm)
        {
            throw new BadInputException($"adamw.* of a directory with this name are steps of {options.Optimizer} on a causal language "
                + "model, "
                + $"but the task is {model.Base.Task}; rename the directory if they are AdamW's");
        }
        var examples = Examples(expected);
        var loader = new DataLoader(examples, new LoaderOptions { BatchSize = examples.Count, PadId = 0, Shuffle = false });
        using var step = new AdapterStep(model, options);
        return [.. Enumerable.Range(0, count).Select(number => (float)step.Run([.. loader.Epoch()], options.LearningRate, number).Loss)];
    }

    /// <summary>The rows of the batch without their padding.</summary>
    private static List<Example> Examples(Expected expected)
    {
        int[] ids = expected.Ints("in.input_ids"), mask = expected.Ints("in.attention_mask"), labels = expected.Ints("in.labels");
        int length = expected.Extent("in.input_ids", 1);
        return [.. Enumerable.Range(0, expected.Extent("in.input_ids", 0)).Select(row =>
        {
            var tokens = new Range(row * length, row * length + mask.AsSpan(row * length, length).Count(1));
            return new Example(ids[tokens], labels[tokens]);
        })];
    }
}
