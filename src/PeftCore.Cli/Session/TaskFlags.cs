using System.Globalization;
using PeftCore.Models;

namespace PeftCore.Cli.Session;

/// <summary>The flags that say what a model's head learns.</summary>
internal sealed record TaskFlags
{
    /// <summary>--task.</summary>
    public string? Name { get; init; }

    /// <summary>--problem-type.</summary>
    public string? Problem { get; init; }

    /// <summary>--pooling.</summary>
    public string? Pooling { get; init; }

    /// <summary>--temperature.</summary>
    public float? Temperature { get; init; }

    /// <summary>Seed of a new head.</summary>
    public ulong Seed { get; init; }

    /// <summary>The options of a base; null if no flag was given.</summary>
    public TaskOptions? ToOptions(ModelTask? task) => (task, Problem, Pooling, Temperature) is (null, null, null, null) ? null : new()
    {
        Task = task,
        ProblemType = Problem,
        Pooling = Pooling,
        Temperature = Temperature,
        Seed = Seed,
    };

    /// <summary>Refuses flags that contradict an adapter's head.</summary>
    public void RefuseOther(string adapter, TaskOptions own)
    {
        Refuse("--problem-type", Problem, own.ProblemType);
        Refuse("--pooling", Pooling, own.Pooling);
        Refuse("--temperature", Text(Temperature), Text(own.Temperature));

        static string? Text(float? number) => number?.ToString(CultureInfo.InvariantCulture);

        void Refuse(string flag, string? asked, string? saved)
        {
            if (asked is not null && saved is not null && asked != saved)
            {
                throw new BadInputException($"{adapter}: the adapter was trained with {saved}, but {flag} is {asked}; leave it out.");
            }
        }
    }
}
