namespace PeftCore.Nn;

/// <summary>Turns training mode, and so dropout, off for this call until it is disposed. Calls on other threads keep their mode.</summary>
internal readonly struct EvalModeScope : IDisposable
{
    private readonly RunMode[]? _before;

    public EvalModeScope(RunMode mode)
    {
        _before = RunMode.InEvaluation;
        RunMode.InEvaluation = [mode, .. _before ?? []];
    }

    public void Dispose() => RunMode.InEvaluation = _before;
}
