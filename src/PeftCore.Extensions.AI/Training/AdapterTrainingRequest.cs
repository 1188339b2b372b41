using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Extensions.AI;

/// <summary>An adapter to train in the background, and the name under which it then serves.</summary>
public sealed class AdapterTrainingRequest
{
    /// <summary>The name of the adapter in requests, and of its folder.</summary>
    public required string Adapter { get; init; }

    /// <summary>The training data.</summary>
    public required IReadOnlyList<DataRow> Rows { get; init; }

    /// <summary>The evaluation data; null for none.</summary>
    public IReadOnlyList<DataRow>? EvaluationRows { get; init; }

    /// <summary>Method and hyperparameters; null for a LoRA with its defaults, or for those of the adapter that is continued.</summary>
    public PeftConfig? Config { get; init; }

    /// <summary>Whether training goes on from the adapter that serves under this name; otherwise it begins anew.</summary>
    public bool Continue { get; init; }

    /// <summary>Steps, learning rate and all else. The output directory is that of the service.</summary>
    public TrainerOptions Trainer { get; init; } = new();

    /// <summary>How rows become samples; null for the model's task, its chat template, and at most 512 tokens.</summary>
    public EncodeOptions? Encoding { get; init; }

    /// <summary>Samples in a batch.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Seed of the adapter's initial values and of the order of the data.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether the trained adapter serves under its name at once; otherwise it is only saved.</summary>
    public bool Serve { get; init; } = true;

    /// <summary>Is told of each step; null for none.</summary>
    public IProgress<TrainingProgress>? Progress { get; init; }

    /// <summary>Refuses a request that cannot be trained.</summary>
    /// <exception cref="BadInputException">A setting is invalid.</exception>
    internal void Check()
    {
        if (Adapter.Length is 0 or > 100 || Adapter.Any(char.IsControl) || Adapter.AsSpan().ContainsAny("/\\:*?\"<>|#")
            || Adapter != Adapter.Trim() || Adapter.EndsWith('.'))
        {
            throw new BadInputException($"an adapter cannot be called \"{Adapter}\", which is the name of its folder: expected 1 to 100 " +
                "characters, none of / \\ : * ? \" < > | #, no space at the ends and no dot at the end");
        }
        if (Rows.Count == 0)
        {
            throw new BadInputException($"the training of \"{Adapter}\" has no rows; give some");
        }
        if (BatchSize < 1)
        {
            throw new BadInputException($"BatchSize is {BatchSize}, expected at least 1");
        }
        if (Trainer.OutputDirectory is not null || Trainer.ResumeFrom is not null)
        {
            throw new BadInputException("OutputDirectory and ResumeFrom of the trainer are chosen by the service; leave them out, and " +
                $"set {nameof(PeftCoreTrainingOptions)}.{nameof(PeftCoreTrainingOptions.OutputDirectory)}");
        }
        if (Continue && Config is not null)
        {
            throw new BadInputException("Config is given, but an adapter that is continued keeps its own; leave one out");
        }
    }
}
