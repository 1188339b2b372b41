namespace PeftCore.Fuzz.Engine;

/// <summary>The counts of one kind. Safe for use from several threads.</summary>
internal sealed class Tally(string kind)
{
    private readonly Lock _lock = new();
    private readonly long[] _counts = new long[Enum.GetValues<Outcome>().Length];
    private readonly Dictionary<(Outcome, string), FailureGroup> _failures = [];

    public string Kind => kind;

    public double SlowestSeconds { get; private set; }

    public long SlowestIndex { get; private set; }

    public long LargestBytes { get; private set; }

    public long Inputs => _counts.Sum();

    public long Failures => Enum.GetValues<Outcome>().Where(outcome => outcome >= Outcome.Crash).Sum(outcome => this[outcome]);

    public long this[Outcome outcome] => _counts[(int)outcome];

    /// <summary>Failures, most frequent first.</summary>
    public IReadOnlyList<FailureGroup> Groups =>
        [.. _failures.Values.OrderBy(group => group.Outcome).ThenByDescending(group => group.Count)];

    /// <summary>Counts an input.</summary>
    /// <returns>The number of earlier failures of its group; −1 if it is not a failure.</returns>
    public int Add(Verdict verdict, long index, double seconds, long bytes)
    {
        lock (_lock)
        {
            _counts[(int)verdict.Outcome]++;
            LargestBytes = Math.Max(LargestBytes, bytes);
            if (seconds > SlowestSeconds)
            {
                (SlowestSeconds, SlowestIndex) = (seconds, index);
            }
            if (!verdict.IsFailure)
            {
                return -1;
            }
            var key = (verdict.Outcome, verdict.Signature);
            if (!_failures.TryGetValue(key, out var group))
            {
                _failures.Add(key, group = new FailureGroup(verdict.Outcome, verdict.Signature, index, verdict.Detail));
            }
            return group.Count++;
        }
    }
}

/// <summary>A group of similar failures.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Signature">The key of the group.</param>
/// <param name="First">Index of one of them.</param>
/// <param name="Detail">The message of that input.</param>
internal sealed record FailureGroup(Outcome Outcome, string Signature, long First, string Detail)
{
    public int Count { get; set; }
}
