using PeftCore.Cli.Options;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Cli.Session;

/// <summary>The task that a base is loaded for: that of --task, or of the adapters, whose files hold the head, or of the base's
/// architecture.</summary>
internal static class TaskChoice
{
    /// <summary>The task of a run; null for that of the architecture.</summary>
    public static TaskOptions? Of(TrainOptions options) =>
        Of(Asked(options), options.ResumeFromCheckpoint is { } run ? [Resumption.CheckpointOf(run)] : []);

    /// <summary>The task of a comparison; null for that of the architecture.</summary>
    public static TaskOptions? Of(CompareOptions options) => Of(new TaskFlags { Name = options.Task, Seed = options.Seed }, []);

    /// <summary>The task of a plan without data, whose classes are those of --label-names; null for that of the architecture.</summary>
    public static TaskOptions? Planned(TrainOptions options)
    {
        var chosen = Of(Asked(options), []);
        return chosen is { Labels: null, Task: { } task } && HasLabels(task) && NamesIn(options.LabelNames) is { Count: > 0 } names
            ? chosen.WithLabels(names) : chosen;
    }

    /// <summary>The task of a base with adapters; null for that of the architecture.</summary>
    /// <param name="name">--task; null if it was not given.</param>
    /// <param name="adapters">The directories of adapters.</param>
    /// <param name="pooling">--pooling; null if it was not given.</param>
    /// <exception cref="BadInputException">The adapters, or an adapter and a flag, contradict each other.</exception>
    public static TaskOptions? Of(string? name, IReadOnlyList<string> adapters, string? pooling = null) =>
        Of(new TaskFlags { Name = name, Pooling = pooling }, adapters);

    private static TaskFlags Asked(TrainOptions options) => new()
    {
        Name = options.Task,
        Seed = options.Seed,
        Problem = options.ProblemType?.Replace('-', '_'),
        Pooling = options.Pooling,
        Temperature = (float?)options.Temperature,
    };

    private static TaskOptions? Of(TaskFlags flags, IReadOnlyList<string> adapters)
    {
        var chosen = flags.ToOptions(flags.Name is null ? null : TaskNames.Parse(flags.Name));
        string from = $"--task {flags.Name}";
        foreach (string adapter in adapters)
        {
            if (SavedAdapter.TaskOf(adapter, flags.Seed) is not { } own)
            {
                continue;
            }
            if (chosen?.Task is { } task && own.Task is { } other && task != other)
            {
                throw new BadInputException($"{adapter}: the adapter has a head for {TaskNames.Of(other)}, but {from} is for " +
                    $"{TaskNames.Of(task)}; leave one of them out.");
            }
            if (chosen?.Labels is { } labels && own.Labels is { } others && !labels.SequenceEqual(others))
            {
                throw new BadInputException($"{adapter}: the adapter has the classes {string.Join(", ", others)}, but {from} has " +
                    $"{string.Join(", ", labels)}; use one of them at a time.");
            }
            flags.RefuseOther(adapter, own);
            (chosen, from) = (own, adapter);
        }
        return chosen;
    }

    /// <summary>The same task with other classes.</summary>
    /// <param name="task">The task.</param>
    /// <param name="labels">The classes.</param>
    /// <param name="problem">What the head learns if the task does not say; null for what follows from the classes.</param>
    public static TaskOptions WithLabels(this TaskOptions task, IReadOnlyList<string> labels, string? problem = null) => new()
    {
        Task = task.Task,
        Labels = labels,
        Seed = task.Seed,
        ProblemType = task.ProblemType ?? problem,
        AsEagerTransformers = task.AsEagerTransformers,
    };

    /// <summary>Whether heads of a task have classes.</summary>
    public static bool HasLabels(ModelTask task) =>
        task is ModelTask.SequenceClassification or ModelTask.TokenClassification or ModelTask.ImageClassification;

    private static List<string> NamesIn(string? labelNames) => [.. FieldNames.Labels(labelNames).Values.Distinct()];
}
