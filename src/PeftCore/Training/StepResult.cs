namespace PeftCore.Training;

/// <summary>The result of an optimizer step.</summary>
public readonly struct StepResult
{
    internal StepResult(double loss, double gradientNorm, int tokens, int targets) =>
        (Loss, GradientNorm, Tokens, Targets) = (loss, gradientNorm, tokens, targets);

    /// <summary>Mean loss over all targets, before the update.</summary>
    public double Loss { get; }

    /// <summary>L2 norm of all gradients, before clipping.</summary>
    public double GradientNorm { get; }

    /// <summary>Tokens read, without padding.</summary>
    public int Tokens { get; }

    /// <summary>Number of targets.</summary>
    public int Targets { get; }
}
