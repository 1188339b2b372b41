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
        Of(options.Task, options.ResumeFromCheckpoint is { } run ? [Resumption.CheckpointOf(run)] : [], options.Seed, options.ProblemType);

    /// <summary>The task of a plan without data, whose classes are those of --label-names; null for that of the architecture.</summary>
    public static TaskOptions? Planned(TrainOptions options)
    {
        var chosen = Of(options.Task, [], options.Seed, options.ProblemType);
        return chosen is { Labels: null, Task: { } task } && HasLabels(task) && NamesIn(options.LabelNames) is { Count: > 0 } names
            ? chosen.WithLabels(names) : chosen;
    }

    /// <summary>The task of a base with adapters; null for that of the architecture.</summary>
    /// <param name="name">--task; null if it was not given.</param>
    /// <param name="adapters">The directories of adapters.</param>
    /// <param name="seed">Seed of a new head.</param>
    /// <param name="problem">--problem-type; null if it was not given.</param>
    /// <exception cref="BadInputException">The adapters, or an adapter and --task, contradict each other.</exception>
    public static TaskOptions? Of(string? name, IReadOnlyList<string> adapters, ulong seed = 0, string? problem = null)
    {
        var chosen = name is null && problem is null ? null
            : new TaskOptions { Task = name is null ? null : TaskNames.Parse(name), Seed = seed, ProblemType = problem?.Replace('-', '_') };
        string from = $"--task {name}";
        foreach (string adapter in adapters)
        {
            if (SavedAdapter.TaskOf(adapter, seed) is not { } own)
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
            if (problem is not null && own.ProblemType is { } saved && saved != problem.Replace('-', '_'))
            {
                throw new BadInputException($"{adapter}: the adapter's head is for {saved}, but --problem-type is {problem}; leave it out.");
            }
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
