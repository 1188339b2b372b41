using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Lab.Engine;

/// <summary>What other threads read of a run: its settings, and what it has measured so far.</summary>
/// <param name="name">"a" or "b".</param>
/// <param name="id">A number that no other run has.</param>
/// <param name="run">The run, whose fixed parts are read.</param>
internal sealed class RunState(string name, int id, LabRun run)
{
    private readonly Lock _lock = new();
    private readonly List<StepRecord> _records = [];
    private readonly List<LabEvaluation> _evaluations = [];

    public string Name => name;

    public int Id => id;

    public LabSettings Settings { get; } = run.Settings;

    public string Method { get; } = run.Method.Name;

    public MemoryPlan Plan { get; } = run.Plan;

    public string Summary { get; } = run.Model.TrainableSummary;

    public string Prompt { get; } = run.Prompt;

    public IReadOnlyList<string> LayerNames { get; } = run.LayerNames;

    /// <summary>Steps until the run pauses; 0 if it is paused.</summary>
    public int Left { get; set; }

    /// <summary>Why the run cannot go on; null if it can.</summary>
    public string? Problem { get; set; }

    /// <summary>Bytes of live tensors between steps, by kind.</summary>
    public IReadOnlyList<(MemoryKind Kind, long Bytes)> Memory { get; set; } = [.. run.Memory];

    public void Add(StepRecord record)
    {
        lock (_lock)
        {
            _records.Add(record);
        }
    }

    public void Add(LabEvaluation evaluation)
    {
        lock (_lock)
        {
            _evaluations.Add(evaluation);
        }
    }

    /// <summary>The records and evaluations from given numbers on.</summary>
    public (StepRecord[] Records, LabEvaluation[] Evaluations) Since(int records, int evaluations)
    {
        lock (_lock)
        {
            return ([.. _records.Skip(records)], [.. _evaluations.Skip(evaluations)]);
        }
    }
}
