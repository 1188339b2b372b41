using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>Turns training mode, and so dropout, off until it is disposed.</summary>
internal readonly struct EvalModeScope : IDisposable
{
    private readonly RunMode _mode;
    private readonly bool _before;

    public EvalModeScope(RunMode mode)
    {
        (_mode, _before) = (mode, mode.Training);
        mode.Training = false;
    }

    public void Dispose() => _mode.Training = _before;
}
