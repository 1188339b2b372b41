namespace PeftCore.Nn;

/// <summary>Training mode of a model, and seed and step of its dropout masks. All modules of a model share one object.</summary>
public sealed class RunMode
{
    private static readonly AsyncLocal<RunMode[]?> Evaluating = new();

    private bool _training;

    internal RunMode()
    {
    }

    /// <summary>Whether dropout is on. Generation and evaluation turn it off for their own calls only, so that others may train
    /// meanwhile.</summary>
    public bool Training
    {
        get => _training && !(Evaluating.Value is { } modes && Array.IndexOf(modes, this) >= 0);
        set => _training = value;
    }

    /// <summary>Seed of the run.</summary>
    public ulong Seed { get; set; }

    /// <summary>Number of the forward pass. Masks are a function of it, so a recomputed pass gets the same ones.</summary>
    internal ulong Step { get; set; }

    /// <summary>The modes that an <see cref="EvalModeScope"/> of this call turned to evaluation; null for none.</summary>
    internal static RunMode[]? InEvaluation
    {
        get => Evaluating.Value;
        set => Evaluating.Value = value;
    }
}
